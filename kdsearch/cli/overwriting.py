"""Whose files lie where an export goes: those of another student are replaced only where that was asked for."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kdsearch.errors import ExportError, SpecError
from kdsearch.spec.exported_file import MANIFEST

_TELLING = ("seeds", "validated")  # of a lineage: figures of every training, which no two students share


def refuse_others(folder: Path, student: Mapping[str, Any], names: Iterable[str]) -> None:
    """Refuses a folder that holds the files of another student; the same student's are written anew.

    ``student``: its row of a summary; ``names``: of the files that are to be written.

    Raises:
        SpecError: it does, or files of these names that no manifest describes.
    """
    found = [name for name in (MANIFEST, *names) if (folder / name).exists()]
    if not found:
        return
    about = _read_manifest(folder)
    if about is not None and _is_of(about, student):
        return
    whose = f"holds {_name_student(about)}" if about else f"holds a {found[0]} that is of no known student"
    raise SpecError(f"{folder}: {whose}; --force replaces it, or name another folder with --to")


@contextmanager
def replacing(folder: Path, student: Mapping[str, Any]) -> Iterator[Path]:
    """The folder to write a student's files to: ``folder``, or a hidden one in it where another student's lie there.

    These go, and the new ones take their place, once the block has ended without an error.

    Raises:
        ExportError: the others cannot be removed.
    """
    about = _read_manifest(folder)
    if about is None or _is_of(about, student):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as made:
        yield Path(made)
        remove_others(folder, student)
        for path in sorted(Path(made).iterdir()):
            path.replace(folder / path.name)


def remove_others(folder: Path, student: Mapping[str, Any]) -> None:
    """Removes another student's manifest and the files that it lists, so that nothing of it passes for the new one's.

    Raises:
        ExportError: they cannot be removed.
    """
    about = _read_manifest(folder)
    if about is not None and _is_of(about, student):
        return
    listed = [*_section(about or {}, "files").values(), (about or {}).get("weights")]
    names = {str(each["path"]) for each in listed if isinstance(each, Mapping) and "path" in each}
    try:
        for name in (*sorted(names), MANIFEST):
            if Path(name).name == name:  # a manifest may say anything: nothing outside the folder goes
                (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise ExportError(f"{folder}: {name} cannot be replaced: {(error.strerror or str(error)).lower()}") from None


def _read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest there, whatever its files are; None where there is none that can be read."""
    try:
        about = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return about if isinstance(about, dict) else None


def _is_of(about: Mapping[str, Any], student: Mapping[str, Any]) -> bool:
    before, now = _section(about, "lineage"), student["lineage"]
    return about.get("widths") == student["widths"] and all(before.get(key) == now.get(key) for key in _TELLING)


def _name_student(about: Mapping[str, Any]) -> str:
    lineage = _section(about, "lineage")
    said = f"another student, {lineage.get('origin', 'of unknown origin')}"
    return f"{said} of study {lineage['study']}" if "study" in lineage else said


def _section(about: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = about.get(key)
    return found if isinstance(found, Mapping) else {}
