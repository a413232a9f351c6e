"""An exported file as somebody finds it: its manifest, and how to run it; torch only inside functions."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdsearch import registry
from kdsearch.errors import ExportError, SpecError
from kdsearch.exporters.base_manifest import FILE_NAME, SCHEMA
from kdsearch.files import hash_file

if TYPE_CHECKING:
    from torch import Tensor

    from kdsearch.exporters.base import Exporter

_INSIDE = f"/extra/{FILE_NAME}"  # where TorchScript keeps the files that it was given


def describe_file(path: Path) -> dict[str, Any]:
    """The manifest of the file: the one beside it, if that lists the file and its hash is right, else the one inside.

    Raises:
        SpecError: the file is not there, or has no manifest.
        ExportError: it is not the file that the manifest beside it lists.
    """
    if not path.is_file():
        raise SpecError(f"{path}: no such file")
    beside = _read(lambda: (path.parent / FILE_NAME).read_bytes())
    for name, about in (beside or {}).get("files", {}).items():
        if about.get("path") == path.name:
            if hash_file(path) != about.get("sha256"):
                raise ExportError(f"{path}: its SHA-256 is not the one in {FILE_NAME} beside it; export it again")
            return {**(beside or {}), "format": name}
    inside = _read(lambda: _read_inside(path))
    if inside is None:
        raise SpecError(f"{path}: has no manifest, inside or beside it; only files that kdsearch exported can be run")
    return inside


def load_file(path: Path, form: str) -> Callable[[Tensor], Tensor]:
    """What an application would call after loading the file, by the exporter that writes files of this format.

    Raises:
        ExportError: no exporter here knows the format, or the file cannot be loaded.
    """
    for name in registry.available("kdsearch.exporters"):
        kind: type[Exporter] = registry.find("kdsearch.exporters", name)
        exporter = kind(kind.Options())
        if form in (each.name for each in exporter.formats()):
            return exporter.load(path)
    raise ExportError(f"{path}: is of format {form}, which no exporter here knows; it was written by another version")


def _read(read: Callable[[], bytes]) -> dict[str, Any] | None:
    """A manifest; None where there is none."""
    try:
        about = json.loads(read())
    except (OSError, ValueError, LookupError, RecursionError, zipfile.BadZipFile):
        return None
    return about if isinstance(about, dict) and about.get("schema") == SCHEMA else None


def _read_inside(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(_INSIDE))
        return archive.read(name)
