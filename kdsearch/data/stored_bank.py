"""A bank of synthesised images as it lies on the disk: three parts with a teacher's answers, and where they came from.

N: images, C: channels of images, classes of logits, H and W: pixels.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kdsearch.errors import DataError, StoreError
from kdsearch.files import flush, hash_file, read_sealed, reason, save_sealed

PARTS = ("train", "validation", "test")
HEADER = "bank.json"
"""The file that is written last: a folder that has it holds a whole bank."""
FOLDER = "bank"
"""What the folder is called in a run directory, or in what a strategy prepares."""
_SCHEMA = 1
_COLUMNS = {"images": np.uint8, "logits": np.float16}


@dataclass(frozen=True, slots=True)
class StoredPart:
    """Images (uint8, which may be a mapped file) and the teacher's logits of each (float16, its classes in order)."""

    images_NCHW: Tensor
    logits_NC: Tensor

    def __post_init__(self) -> None:
        images, logits = self.images_NCHW, self.logits_NC
        if images.dtype != torch.uint8 or images.ndim != 4 or not len(images):
            raise ValueError(f"images must be uint8 NCHW, got {images.dtype} {tuple(images.shape)}")
        if logits.dtype != torch.float16 or logits.ndim != 2 or len(logits) != len(images):
            raise ValueError(f"logits must be {len(images)} rows of float16, got {logits.dtype} {tuple(logits.shape)}")


@dataclass(frozen=True, slots=True)
class StoredBank:
    """Three disjoint parts, of images that no camera took.

    ``classes``: what the logits stand for, in their order; ``mean`` and ``std``: of pixels in 0..1, what the teacher's
    input is normalised by. ``provenance``: the teacher (name, sha256), the options and the seed of the synthesis, the
    versions that computed it. ``digest``: of all of it.
    """

    parts: Mapping[str, StoredPart]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    provenance: Mapping[str, Any]
    digest: str

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        channels, height, width = self.parts["train"].images_NCHW.shape[1:]
        return channels, height, width

    @property
    def teacher(self) -> str:
        """The name of the net whose answers it holds."""
        return str(self.provenance["teacher"]["name"])


def save_bank(
    folder: Path,
    parts: Mapping[str, StoredPart],
    *,
    classes: tuple[str, ...],
    mean: tuple[float, ...],
    std: tuple[float, ...],
    provenance: Mapping[str, Any],
) -> StoredBank:
    """The bank, written to ``folder`` in place of the one that lies there, and read back.

    Raises:
        StoreError: it cannot be written, such as on a full disk.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / HEADER).unlink(missing_ok=True)  # first: a folder with a header is a whole bank
        files = {}
        for part in PARTS:
            for column, content in (("images", parts[part].images_NCHW), ("logits", parts[part].logits_NC)):
                path = folder / f"{part}_{column}.npy"
                np.save(path, content.cpu().numpy(), allow_pickle=False)
                flush(path)
                files[path.name] = {"shape": list(content.shape), "sha256": hash_file(path)}
    except OSError as error:
        raise StoreError(f"{folder}: {reason(error)}") from None
    about = {"classes": list(classes), "mean": list(mean), "std": list(std), "provenance": dict(provenance)}
    save_sealed(folder / HEADER, {"schema": _SCHEMA, "files": files, **about})
    return read_bank(folder)


def has_bank(folder: Path) -> bool:
    """Whether a whole bank was written there."""
    return (folder / HEADER).is_file()


def find_bank(place: Path) -> Path:
    """The folder of a bank: ``place`` itself, or a run directory whose driver or whose strategy left one.

    Raises:
        DataError: it is neither.
    """
    for folder in (place, place / FOLDER, place / "prepared" / FOLDER):
        if has_bank(folder):
            return folder
    missing = "no such folder" if not place.is_dir() else f"holds no bank of images (no {HEADER}, no {FOLDER}/{HEADER})"
    raise DataError(
        f"task.bank: {place}: {missing}; name the run directory of a finished study with task: {{data: none}}, or of "
        "one whose strategy or finish is dafl"
    )


def read_bank(place: Path) -> StoredBank:
    """The bank of a run directory or a folder, its files mapped into memory.

    Raises:
        DataError: there is none, or it is not what was written; the message names the file.
    """
    folder = find_bank(place)
    try:
        header = read_sealed(folder / HEADER)
    except StoreError:
        raise _damaged(folder / HEADER, "it is not what was written") from None
    if header.get("schema") != _SCHEMA:
        raise DataError(
            f"{folder / HEADER}: is of another kdsearch (schema {header.get('schema')}); make the bank anew"
        )
    columns = {part: [_read_column(folder, part, column, header["files"]) for column in _COLUMNS] for part in PARTS}
    try:
        parts = {part: StoredPart(*found) for part, found in columns.items()}
    except ValueError as error:
        raise _damaged(folder / HEADER, str(error)) from None
    _check_shapes(folder, parts, len(header["classes"]))
    mean, std = tuple(header["mean"]), tuple(header["std"])
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()
    return StoredBank(parts, tuple(header["classes"]), mean, std, header["provenance"], digest)


def _read_column(folder: Path, part: str, column: str, noted: Mapping[str, Any]) -> Tensor:
    path = folder / f"{part}_{column}.npy"
    about = noted.get(path.name)
    if about is None or not path.is_file():
        raise _damaged(path, "it is missing")
    if hash_file(path) != about["sha256"]:
        raise _damaged(path, "it is not what was written")
    array: NDArray[Any] = np.load(path, mmap_mode="c", allow_pickle=False)  # torch warns of arrays that are read-only
    if list(array.shape) != about["shape"] or array.dtype != _COLUMNS[column]:
        raise _damaged(path, f"it holds {array.dtype} {array.shape}")
    return torch.from_numpy(np.asarray(array))


def _check_shapes(folder: Path, parts: Mapping[str, StoredPart], classes: int) -> None:
    """Raises DataError where parts hold images of different shapes, or logits of another number of classes."""
    shapes = {tuple(part.images_NCHW.shape[1:]) for part in parts.values()}
    if len(shapes) > 1:
        raise _damaged(folder / HEADER, f"its parts hold images of {' and '.join(map(str, sorted(shapes)))}")
    for name, part in parts.items():
        if part.logits_NC.shape[1] != classes:
            raise _damaged(
                folder / f"{name}_logits.npy", f"it has answers of {part.logits_NC.shape[1]} classes, not of {classes}"
            )


def _damaged(path: Path, what: str) -> DataError:
    return DataError(f"{path}: damaged ({what}); put the bank's files back, or make it again by a new run")
