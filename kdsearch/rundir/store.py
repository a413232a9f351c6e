"""The run directory: made, opened, locked; its study file and its summary. The trials are in ledger.py."""

from __future__ import annotations

import json
import logging
import os
import platform
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import ValidationError

from kdsearch.errors import SpecError, StoreError
from kdsearch.files import save_atomically, seal, try_lock, unseal
from kdsearch.quoting import say_command
from kdsearch.records import RunPaths
from kdsearch.rundir.identity import is_as_launched, note_identity
from kdsearch.rundir.shapes import RECORD, read_shaped
from kdsearch.rundir.summary import Summary, check_summary
from kdsearch.spec.study_spec import StudySpec, dumps, load_spec, loads, to_yaml

SCHEMA = 1
_SPEC, _YAML, _SUMMARY, _LOCK = "spec.json", "spec.yaml", "summary.json", "lock"
_log = logging.getLogger(__name__)
_OWNER = 200  # how many characters of a lock file a message shows


def create_run(spec: StudySpec, run_dir: Path | None = None, *, facts: Mapping[str, Any] | None = None) -> RunPaths:
    """A new run directory with the study in it: ``run_dir``, or runs/NAME, numbered where the name is taken.

    ``facts``: what else it is launched with, as ``note_identity`` takes them.

    Raises:
        StoreError: ``run_dir`` is there and not empty, or cannot be made.
    """
    paths = RunPaths((_make_free(Path("runs"), spec.name) if run_dir is None else _make_empty(run_dir)).absolute())
    for folder in (paths.prepared, paths.checkpoints, paths.students, paths.logs):
        folder.mkdir()
    texts = {_YAML: to_yaml(spec), _SPEC: dumps(spec)}
    note_identity(paths, texts, facts or {})
    for name, text in texts.items():
        save_text(paths.root / name, text)  # spec.json last: a folder that has it is whole
    return paths


def open_run(run_dir: Path) -> RunPaths:
    """The paths of a run that was created before.

    Raises:
        StoreError: it is not a run directory.
    """
    if not (run_dir / _SPEC).is_file():
        raise StoreError(f"{run_dir}: not a run directory (it has no {_SPEC}); kdsearch list shows the runs")
    return RunPaths(run_dir.absolute())


def read_spec(paths: RunPaths) -> StudySpec:
    """The study of a run, as it was launched.

    Raises:
        StoreError: its file is missing, damaged, of another version, or has been changed since.
    """
    path = paths.root / _SPEC
    try:
        text = path.read_text(encoding="utf-8")
        spec = loads(text)
    except ValidationError as error:
        first = error.errors()[0]
        found = ": ".join(part for part in (".".join(map(str, first["loc"])), first["msg"].lower()) if part)
        raise StoreError(f"{path}: holds no study ({found}); launch the spec.yaml beside it anew") from None
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: cannot be read: {error}") from None
    if not is_as_launched(paths, _SPEC, text):
        raise StoreError(
            f"{path}: has been changed since the launch{_say_changes(paths, spec)}; undo that, or launch the changed "
            "study as a new run"
        )
    return spec


def warn_of_changed_yaml(paths: RunPaths) -> None:
    """Says that a changed spec.yaml changes nothing: a run goes on as it was launched."""
    path = paths.root / _YAML
    if path.is_file() and not is_as_launched(paths, _YAML, path.read_text(encoding="utf-8", errors="replace")):
        _log.warning("%s: has been changed; the run goes on as it was launched (launch the file for a new run)", path)


def _say_changes(paths: RunPaths, spec: StudySpec) -> str:
    """The sections in which a study differs from that in spec.yaml, in brackets; nothing if they cannot be compared."""
    try:
        launched = load_spec(paths.root / _YAML)
    except SpecError:
        return ""
    names = [name for name in type(spec).model_fields if getattr(spec, name) != getattr(launched, name)]
    return f" ({', '.join(names)})" if names else ""


def save_text(path: Path, text: str) -> None:
    """Writes a text file whole or not at all.

    Raises:
        StoreError: the file cannot be written; the old one is still there.
    """

    def write(fresh: Path) -> None:
        fresh.write_text(text, encoding="utf-8")

    save_atomically(path, write)


def write_summary(paths: RunPaths, summary: Summary) -> None:
    """Writes summary.json whole or not at all.

    Raises:
        StoreError: it cannot be written; the old one is still there.
    """
    save_text(paths.root / _SUMMARY, json.dumps(seal({"schema": SCHEMA, **summary}), indent=2) + "\n")


def read_summary(paths: RunPaths) -> Summary:
    """What summary.json says.

    Raises:
        StoreError: it is missing, damaged, of another schema, or lacks something.
    """
    path = paths.root / _SUMMARY
    if not path.exists():
        raise StoreError(f"{path}: not there yet; the run has not finished")
    summary = read_shaped(path, RECORD, f"to write it again: {say_command('resume', paths.root)}")
    if summary.get("schema") != SCHEMA:
        raise StoreError(f"{path}: needs schema {SCHEMA}; another version of kdsearch wrote it")
    # a whole one, too, may be of a kdsearch that knew less; without a seal nothing else says that it is whole
    return check_summary(unseal(summary, path) if "seal" in summary else summary, path)


class RunLock:
    """Keeps a second driver out of a run while the ``with`` block lasts; the system frees it if the driver is killed.

    Raises:
        StoreError: another process drives the run; the message names it.
    """

    def __init__(self, paths: RunPaths) -> None:
        self._path = paths.root / _LOCK
        self._handle = -1

    def __enter__(self) -> Self:
        handle = try_lock(self._path)
        if handle is None:
            owner = read_owner(self._path)
            raise StoreError(f"{self._path.parent}: in use by {owner}; wait for it, or stop it and resume")
        self._handle = handle
        os.ftruncate(self._handle, 0)
        os.write(self._handle, f"process {os.getpid()} on {platform.node()}\n".encode())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._handle)


def find_driver(paths: RunPaths) -> str:
    """Which process drives the run, as it wrote itself into the lock; empty if none does."""
    path = paths.root / _LOCK
    if not path.is_file():
        return ""
    handle = try_lock(path, shared=True)
    if handle is None:
        return read_owner(path)
    os.close(handle)
    return ""


def read_owner(lock: Path) -> str:
    """Who wrote itself into a lock."""
    return lock.read_text(encoding="utf-8", errors="replace")[:_OWNER].strip() or "another process"


def _make_free(root: Path, name: str) -> Path:
    for number in count(1):
        path = root / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise _not_made(path, error) from None
        return path
    raise AssertionError("counted to the end")


def _make_empty(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
        taken = any(path.iterdir())
    except OSError as error:
        raise _not_made(path, error) from None
    if taken:
        raise StoreError(f"{path}: not empty; name another --run-dir, or resume the run in it")
    return path


def _not_made(path: Path, error: OSError) -> StoreError:
    return StoreError(f"{path}: the run directory cannot be made: {(error.strerror or str(error)).lower()}")
