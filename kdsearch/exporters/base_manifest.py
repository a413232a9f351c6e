"""What is written about an exported student, beside its files and inside them; no torch here."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NotRequired

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from kdsearch.errors import ExportError
from kdsearch.files import hash_file, save_bytes, seal
from kdsearch.spec.exported_file import MANIFEST, SCHEMA

LOGITS = "logits"
MADE_BY = (
    "turned upright by EXIF, converted to the colours, scaled (bilinear, antialiased) until it just covers the shape, "
    "centre cut out, divided by 255"
)
"""How an image becomes the input, in training as in ``kdsearch predict``."""


_OPEN = ConfigDict(extra="allow")
_log = logging.getLogger(__name__)


@with_config(_OPEN)
class _FileRow(TypedDict):
    """A written file: its name in the folder, and the hash of its bytes."""

    path: str
    sha256: str
    parity: NotRequired[float]


@with_config(_OPEN)
class _Shape(TypedDict):
    """What readers of a manifest need."""

    schema: Literal[1]
    files: dict[str, _FileRow]
    weights: NotRequired[_FileRow]


_SHAPE = TypeAdapter(_Shape)


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that is known about a student before its files are written.

    ``image_shape``: channels, height, width. ``output_meaning``: what a task says its outputs are. ``mean``,
    ``std``: of the pixels in 0..1, for information: exported files normalise by themselves.
    ``metrics``: of the exported weights, one training's; ``over_seeds``: their ``mean`` and
    ``deviation`` over all trainings of this net, and how many ``trainings`` that were. ``latency``: figures with the
    machine and the thread count; ``lineage``: teacher, data hash, seed, study, versions. ``fused``: where blocks of the
    net became single layers, how many, and what the net was before, whose weights and costs those of the trainable form
    are; ``costs`` are of what is delivered. ``rebuild``: what makes the net for the weights beside the exported files.
    """

    image_shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: tuple[str, ...]
    output_meaning: str = LOGITS
    widths: Mapping[str, int] = field(default_factory=dict)
    costs: Mapping[str, float] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    over_seeds: Mapping[str, Any] = field(default_factory=dict)
    latency: Mapping[str, Any] = field(default_factory=dict)
    lineage: Mapping[str, Any] = field(default_factory=dict)
    fused: Mapping[str, Any] = field(default_factory=dict)
    rebuild: Mapping[str, Any] = field(default_factory=dict)

    def describe(self, format_name: str, parity: Mapping[str, float]) -> dict[str, Any]:
        """The manifest that is put inside a file: everything but hashes, which no file can hold of itself."""
        return {
            "schema": SCHEMA,
            "format": format_name,
            "input": {
                "shape": [1, *self.image_shape],
                "dtype": "float32",
                "layout": "NCHW",
                "colours": "grey" if self.image_shape[0] == 1 else "RGB",
                "range": [0, 1],
                "mean": list(self.mean),
                "std": list(self.std),
                "normalised_inside": True,
                "made_by": MADE_BY,
            },
            "output": {"shape": [1, len(self.classes)], "dtype": "float32", "meaning": self.output_meaning},
            "classes": list(self.classes),
            "widths": dict(self.widths),
            "costs": dict(self.costs),
            "metrics": dict(self.metrics),
            "over_seeds": dict(self.over_seeds),
            "parity": dict(parity),
            "latency": dict(self.latency),
            "lineage": dict(self.lineage),
            "fused": dict(self.fused),
            "rebuild": dict(self.rebuild),
        }


def to_json(described: Mapping[str, Any]) -> str:
    """The manifest as text. Raises ValueError on a figure that is not finite: JSON has no word for it."""
    return json.dumps(described, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def list_weights(folder: Path, manifest: Manifest, weights: Path) -> None:
    """Adds the net's weights to the manifest in the folder, or begins one, and seals it against changed bytes."""
    path = folder / MANIFEST
    described: dict[str, Any] = {**manifest.describe("weights", {}), "files": {}}
    if path.is_file():
        described = parse_manifest(path)
    described.pop("seal", None)
    described["weights"] = {"path": weights.name, "sha256": hash_file(weights), "size_bytes": weights.stat().st_size}
    save_bytes(path, to_json(seal(described)).encode())


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest beside exported files, once every file has the hash that it says.

    Raises:
        ExportError: the manifest is missing or of another schema, or a file is missing or has been changed.
    """
    path = folder / MANIFEST
    described = parse_manifest(path)
    if "seal" in described and described != seal({key: inner for key, inner in described.items() if key != "seal"}):
        raise ExportError(f"{path}: damaged (it is not what was written); export the student again")
    listed = dict(described["files"]) | ({"weights": described["weights"]} if "weights" in described else {})
    for name, about in listed.items():
        model = folder / about["path"]
        if not model.is_file():
            raise ExportError(f"{model}: missing, though {path} lists it as {name}; export the student again")
        if hash_file(model) != about["sha256"]:
            raise ExportError(f"{model}: its SHA-256 is not the one in {path}; do not load it, export it again")
    return described


def parse_manifest(path: Path) -> dict[str, Any]:
    """What a manifest says, whether or not its files are there.

    Raises:
        ExportError: it is missing, of another schema, or lacks what its readers need.
    """
    try:
        described: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ExportError(f"{path}: cannot be read: {error}; export the student again") from None
    if not isinstance(described, dict) or described.get("schema") != SCHEMA:
        raise ExportError(f"{path}: needs schema {SCHEMA}; it was written by another version, export the student again")
    try:
        _SHAPE.validate_python(described, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ExportError(f"{path}: damaged ({where}: {first['msg'].lower()}); export the student again") from None
    return described


def forget_damaged(folder: Path) -> None:
    """Removes a manifest that cannot be read, with a warning: for a run's own folder, whose files are written anew."""
    path = folder / MANIFEST
    try:
        if path.exists():
            parse_manifest(path)
    except ExportError as damage:
        _log.warning("%s; it is written again", str(damage).rpartition("; ")[0])
        path.unlink()
