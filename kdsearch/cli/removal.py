"""rm: deletes run directories, once it is sure that they are such and that nobody is at work there."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from kdsearch.cli.finding import find_any_run, is_study_run
from kdsearch.cli.output import remark, say, say_json
from kdsearch.errors import KdsearchError, SpecError, StoreError
from kdsearch.files import reason
from kdsearch.records import RunPaths
from kdsearch.report.words import say_bytes
from kdsearch.rundir.ledger import JOURNAL
from kdsearch.rundir.store import RunLock, find_driver, read_spec
from kdsearch.rundir.taught import ASKED, CARD

_PARTS = ("prepared", "checkpoints", "students", "logs")  # made at every launch
_MARKS = ("spec.json", ASKED, CARD)  # what tells a run directory, and so goes last: an interrupted rm can be repeated


def rm(given: argparse.Namespace) -> int:
    """Deletes the runs after a question, which ``--yes`` answers; none of them if one cannot be."""
    found = list(dict.fromkeys(find_removable(text) for text in given.runs))
    sizes = {path: measure_bytes(path) for path in found}
    if not given.yes and not _agree(found, sizes):
        remark("nothing was deleted")
        return 1
    stored = [line for path in found for line in _note_storage(path)]
    for path in found:
        delete_run(path)
    for line in stored:
        remark(line)
    if given.json:
        say_json({"deleted": [str(path) for path in found], "bytes": sum(sizes.values())})
    else:
        for path in found:
            say(f"deleted {path} ({say_bytes(sizes[path])})")
    return 0


def find_removable(text: str) -> Path:
    """The run directory that is meant.

    Raises:
        SpecError: it is none, or a link to one.
        StoreError: a process is at work there.
    """
    path = find_any_run(text)
    if path.is_symlink():
        raise SpecError(f"{text}: is a link to {path.resolve()}; delete that by its own name, or the link with: rm")
    if missing := [name for name in _PARTS if is_study_run(path) and not (path / name).is_dir()]:
        raise SpecError(
            f"{text}: holds a spec.json, but no {missing[0]}/ as every run has; if it is a run, delete it with: rm -r"
        )
    if driver := find_driver(RunPaths(path)):
        raise StoreError(f"{text}: in use by {driver}; wait for it, or stop it first")
    return path


def measure_bytes(path: Path) -> int:
    """What the files there take; links count as such, not as what they lead to."""
    walked = (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
    return sum(file.lstat().st_size for file in walked)


def delete_run(path: Path) -> None:
    """Deletes the directory under its lock; links in it go, what they lead to stays.

    Raises:
        StoreError: a process is at work there, or a file cannot be deleted.
    """
    try:
        with RunLock(RunPaths(path)):
            for entry in sorted(os.scandir(path), key=lambda each: each.name in _MARKS):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path)
                else:
                    os.unlink(entry.path)
        path.rmdir()
    except OSError as error:
        raise StoreError(f"{error.filename or path}: cannot be deleted: {reason(error)}") from None


def _note_storage(path: Path) -> list[str]:
    """A line about trials that lie elsewhere, if they do."""
    try:
        storage = read_spec(RunPaths(path)).storage if is_study_run(path) else JOURNAL
    except StoreError:
        return []  # of a damaged run nobody knows
    return [] if storage == JOURNAL else [f"{path}: its trials stay in {storage.rsplit('@', 1)[-1]}"]


def _agree(found: Sequence[Path], sizes: dict[Path, int]) -> bool:
    for path in found:
        remark(f"{path} ({say_bytes(sizes[path])})")
    if not sys.stdin.isatty():
        raise KdsearchError("nobody is there to be asked; kdsearch rm --yes deletes without a question")
    sys.stderr.write(f"delete {'this run' if len(found) == 1 else f'these {len(found)} runs'}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
