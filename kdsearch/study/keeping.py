"""What a finished run keeps: files that nothing reads any more are deleted at its end, as the study's ``keep`` says."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kdsearch.candidates.space import Candidate
from kdsearch.errors import StoreError
from kdsearch.files import HASHES, reason
from kdsearch.rundir.store import RunLock
from kdsearch.study.finishing import training_name
from kdsearch.study.trained import trained_folder

if TYPE_CHECKING:
    from kdsearch.records import RunPaths

Keep = Literal["all", "nets", "students"]
_RECORDS = (".json", ".safetensors")  # what is kept of a trained net; all else there is a checkpoint
_log = logging.getLogger(__name__)


def delete_spent(paths: RunPaths, summary: Mapping[str, Any], keep: Keep) -> None:
    """Deletes what the run needs no more, under its lock; a warning where that is not possible."""
    spent = list_spent(paths, summary, keep)
    if not spent:
        return
    freed = sum(path.stat().st_size for path in spent)
    try:
        with RunLock(paths):
            for path in spent:
                path.unlink()
    except (StoreError, OSError) as error:
        why = reason(error) if isinstance(error, OSError) else error
        _log.warning("%s: what it needs no more cannot be deleted (keep: %s): %s", paths.root, keep, why)
    else:
        _log.info(
            "%s: deleted %d files that it needs no more, %d bytes (keep: %s)", paths.root, len(spent), freed, keep
        )


def list_spent(paths: RunPaths, summary: Mapping[str, Any], keep: Keep) -> list[Path]:
    """The files of an ended run that go: none, checkpoints of trainings, or all that no student is made of."""
    if keep == "all":
        return []
    nets = trained_folder(paths)
    spent = [path for path in _files(paths.checkpoints) if path.parent != nets or path.suffix not in _RECORDS]
    if keep == "students":
        needed = {_name_exported(row) for row in summary["students"]}
        spent += [path for path in _files(nets) if path.suffix in _RECORDS and path.stem not in needed]
        spent += _files(paths.prepared)
    return spent


def _files(folder: Path) -> list[Path]:
    """Those below the folder, in an order in which what is left after a kill does not pass for a damaged whole."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(found, key=lambda path: (path.name != HASHES, path.suffix != ".json", path))


def _name_exported(row: Mapping[str, Any]) -> str:
    lineage = row["lineage"]
    return training_name(Candidate.of(row["candidate"]), lineage.get("start", "scratch"), lineage["exported_seed"])
