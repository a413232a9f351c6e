"""The run directory: made, opened, locked; its study file and its summary. The trials are in ledger.py."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pydantic import ValidationError

from kdsearch.errors import StoreError
from kdsearch.files import read_json, save_atomically, save_json, try_lock
from kdsearch.records import RunPaths
from kdsearch.spec.study_spec import StudySpec, dumps, loads, to_yaml

if TYPE_CHECKING:
    from kdsearch.teaching.teachers import Teacher

SCHEMA = 1
_SPEC, _SUMMARY, _LOCK, _GIVEN = "spec.json", "summary.json", "lock", "given.json"
_TEACHER = "teacher.json"
_OWNER = 200  # characters of a lock that are shown


def create_run(spec: StudySpec, run_dir: Path | None = None, *, given: str = "") -> RunPaths:
    """A new run directory with the study in it: ``run_dir``, or runs/NAME, numbered where the name is taken.

    ``given``: the SHA-256 of the weights of a net that was passed from Python.

    Raises:
        StoreError: ``run_dir`` is there and not empty, or cannot be made.
    """
    paths = RunPaths((_make_free(Path("runs"), spec.name) if run_dir is None else _make_empty(run_dir)).absolute())
    for folder in (paths.prepared, paths.checkpoints, paths.students, paths.logs):
        folder.mkdir()
    save_text(paths.root / "spec.yaml", to_yaml(spec))
    if given:
        save_json(paths.root / _GIVEN, {"sha256": given})
    save_text(paths.root / _SPEC, dumps(spec))  # last: what has it is a run
    return paths


def open_run(run_dir: Path) -> RunPaths:
    """The paths of a run that was created before.

    Raises:
        StoreError: it is not a run directory.
    """
    if not (run_dir / _SPEC).is_file():
        raise StoreError(f"{run_dir}: not a run directory (it has no {_SPEC}); kdsearch list shows the runs")
    return RunPaths(run_dir.absolute())


def check_given(paths: RunPaths, given: str) -> None:
    """Compares the net passed for a run with the one that it was launched with, by the SHA-256 of their weights.

    Raises:
        StoreError: they differ, so that what was computed would be mixed with what is another net's.
    """
    launched = read_json(paths.root / _GIVEN)["sha256"]
    if given != launched:
        raise StoreError(
            f"{paths.root}: was launched with a net of other weights (SHA-256 {launched[:12]}.., now {given[:12]}..); "
            "pass the net as it was then, or launch a new run"
        )


def check_teacher(paths: RunPaths, teacher: Teacher) -> None:
    """Compares a run's teacher with the one that it was launched with, which the first call notes.

    Raises:
        StoreError: it is another one, so that what was learned from the first would be mixed with what this one says.
    """
    path = paths.root / _TEACHER
    if not path.exists():
        save_json(path, {"name": teacher.name, "sha256": teacher.sha256, "identity": teacher.identity})
    elif (launched := read_json(path))["identity"] != teacher.identity:
        raise StoreError(
            f"{paths.root}: was launched with teacher {launched['name']} (SHA-256 {launched['sha256'][:12]}..), now it "
            f"is {teacher.name} ({teacher.sha256[:12]}..); put that one back, or launch a new run"
        )


def read_spec(paths: RunPaths) -> StudySpec:
    """The study of a run.

    Raises:
        StoreError: its file is missing, damaged or of another version.
    """
    path = paths.root / _SPEC
    try:
        return loads(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        first = error.errors()[0]
        found = ": ".join(part for part in (".".join(map(str, first["loc"])), first["msg"].lower()) if part)
        raise StoreError(f"{path}: holds no study ({found}); launch the spec.yaml beside it anew") from None
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: cannot be read: {error}") from None


def save_text(path: Path, text: str) -> None:
    """Writes a text file whole or not at all.

    Raises:
        StoreError: the file cannot be written; the old one is still there.
    """

    def write(fresh: Path) -> None:
        fresh.write_text(text, encoding="utf-8")

    save_atomically(path, write)


def write_summary(paths: RunPaths, summary: Mapping[str, Any]) -> None:
    """Writes summary.json whole or not at all.

    Raises:
        StoreError: it cannot be written; the old one is still there.
    """
    save_text(paths.root / _SUMMARY, json.dumps({"schema": SCHEMA, **summary}, indent=2) + "\n")


def read_summary(paths: RunPaths) -> dict[str, Any]:
    """What summary.json says.

    Raises:
        StoreError: it is missing, damaged or of another schema.
    """
    path = paths.root / _SUMMARY
    try:
        summary: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StoreError(f"{path}: not there yet; the run has not finished") from None
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: cannot be read: {error}") from None
    if not isinstance(summary, dict) or summary.get("schema") != SCHEMA:
        raise StoreError(f"{path}: needs schema {SCHEMA}; another version of kdsearch wrote it")
    return summary


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
