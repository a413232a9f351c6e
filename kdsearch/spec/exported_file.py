"""What an exported file says of itself: the manifest inside it, or the one beside it; no torch here."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kdsearch.errors import ExportError, SpecError
from kdsearch.files import hash_file
from kdsearch.spec.onnx_file import read_texts

SCHEMA = 1
MANIFEST = "manifest.json"
_INSIDE = f"/extra/{MANIFEST}"  # where TorchScript keeps the files that it was given


def describe_file(path: Path) -> dict[str, Any]:
    """The manifest of the file: the one beside it, if that lists the file and its hash is right, else the one inside.

    Raises:
        SpecError: the file is not there, or has no manifest.
        ExportError: it is not the file that the manifest beside it lists.
    """
    about = find_manifest(path)
    if about is None:
        raise SpecError(f"{path}: has no manifest, inside or beside it; only files that kdsearch exported can be run")
    return about


def find_manifest(path: Path) -> dict[str, Any] | None:
    """As ``describe_file``; None where there is no manifest.

    Raises:
        SpecError: the file is not there.
        ExportError: it is not the file that the manifest beside it lists.
    """
    if not path.is_file():
        raise SpecError(f"{path}: no such file")
    beside = _read(lambda: (path.parent / MANIFEST).read_bytes())
    for name, about in (beside or {}).get("files", {}).items():
        if about.get("path") == path.name:
            if hash_file(path) != about.get("sha256"):
                raise ExportError(f"{path}: its SHA-256 is not the one in {MANIFEST} beside it; export it again")
            return {**(beside or {}), "format": name}
    return _read(lambda: _read_inside(path))


def _read(read: Callable[[], bytes]) -> dict[str, Any] | None:
    """A manifest; None where there is none."""
    try:
        about = json.loads(read())
    except (OSError, ValueError, LookupError, RecursionError, zipfile.BadZipFile):
        return None
    return about if isinstance(about, dict) and about.get("schema") == SCHEMA else None


def _read_inside(path: Path) -> bytes:
    if not zipfile.is_zipfile(path):
        return read_texts(path)[MANIFEST].encode()
    with zipfile.ZipFile(path) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(_INSIDE))
        return archive.read(name)
