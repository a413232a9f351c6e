"""What a run writes about itself while it works: its log files, and the reason if it failed."""

from __future__ import annotations

import contextlib
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from kdsearch.errors import KdsearchError, StoreError
from kdsearch.executors.base_policy import WORKERS_LOG
from kdsearch.files import save_json
from kdsearch.records import RunPaths
from kdsearch.rundir.shapes import read_shaped

_FAILURE = "failure.json"


class _Failure(TypedDict):
    state: Literal["failed"]
    reason: str


_SHAPE = TypeAdapter(_Failure)
_LINE = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
_package = logging.getLogger("kdsearch")
_workers = logging.getLogger(WORKERS_LOG)


def log_to(path: Path) -> logging.Handler:
    """A handler that appends what kdsearch logs to the file, which is made with the first line."""
    path.parent.mkdir(exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    handler.setFormatter(_LINE)
    for logger in (_package, _workers):
        logger.addHandler(handler)
    return handler


@contextmanager
def recording(paths: RunPaths) -> Iterator[None]:
    """Keeps ``logs/run.log`` while the block lasts and, if it fails, the reason: until the run is gone on with."""
    (paths.root / _FAILURE).unlink(missing_ok=True)
    handler = log_to(paths.logs / "run.log")
    try:
        _write(handler, logging.INFO, "driver started")
        yield
        _write(handler, logging.INFO, "driver done")
    except BaseException as error:
        _write(handler, logging.ERROR, "driver ended\n" + traceback.format_exc().rstrip())
        if isinstance(error, Exception):
            with contextlib.suppress(StoreError):  # the error that ended the run says more than a full disk does
                save_json(paths.root / _FAILURE, {"state": "failed", "reason": _reason(error)})
        raise
    finally:
        for logger in (_package, _workers):
            logger.removeHandler(handler)
        handler.close()


def read_failure(paths: RunPaths) -> str:
    """Why the run's last driver failed, in a line; empty if it did not.

    Raises:
        StoreError: the record of it is damaged.
    """
    path = paths.root / _FAILURE
    return str(read_shaped(path, _SHAPE)["reason"]) if path.exists() else ""


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return lines[0] if isinstance(error, KdsearchError) else f"{type(error).__name__}: {lines[0]}".rstrip(": ")


def _write(handler: logging.Handler, level: int, text: str) -> None:
    """Writes a line into the log file alone: whoever started the run is told anyway."""
    handler.handle(logging.LogRecord(__name__, level, __file__, 0, text, None, None))
