"""Folders of a cache that are built once, whole or not at all, whichever process comes first."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from kdsearch.errors import StoreError
from kdsearch.files import flush, make_cache_folder, reason, try_lock

T = TypeVar("T")

_log = logging.getLogger(__name__)
_POLL_SECONDS = 0.1
_BUILDING = ".building"


def open_built(
    place: Path, *, read: Callable[[Path], T], build: Callable[[Path], None], on_wait: Callable[[], None]
) -> T:
    """What ``read`` finds at ``place``, after ``build`` has filled that folder if it was not there.

    ``read`` raises StoreError for a damaged folder, which is built anew, with a warning. While one process builds,
    others that open the same place wait and call ``on_wait`` now and then. A build that fails, or whose process is
    killed, leaves nothing that is ever taken for whole, and what it left goes with the next build in the same cache.

    Raises:
        StoreError: the folder cannot be written, such as on a full disk.
    """
    with contextlib.suppress(StoreError):  # without a lock: a whole folder stays whole
        return read(place)
    make_cache_folder(place.parent)
    with _turn(place, on_wait):
        if place.exists():
            try:
                return read(place)
            except StoreError as error:
                _log.warning("%s; it is built anew", error)
                shutil.rmtree(place)
        _remove_leftovers(place)
        try:
            _fill(place, build)
        except OSError as error:
            raise StoreError(f"{place}: cannot be built: {reason(error)}; mend that, or set KDSEARCH_CACHE") from None
        return read(place)


def _fill(place: Path, build: Callable[[Path], None]) -> None:
    fresh = _fresh(place)
    try:
        fresh.mkdir()
        build(fresh)
        flush(fresh)
        fresh.replace(place)
        flush(place.parent)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


@contextlib.contextmanager
def _turn(place: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """The system ends the turn of a process that is killed."""
    while (handle := _lock(place)) is None:
        on_wait()
        time.sleep(_POLL_SECONDS)
    try:
        yield
    finally:
        os.close(handle)


def _lock(place: Path) -> int | None:
    try:
        return try_lock(place.with_name(f".{place.name}.lock"))
    except StoreError as error:
        raise StoreError(f"{error}; set KDSEARCH_CACHE to another folder") from None


def _remove_leftovers(place: Path) -> None:
    """Half-built folders beside ``place`` whose builders are dead; the turn at ``place`` itself is this process's."""
    shutil.rmtree(_fresh(place), ignore_errors=True)
    for left in place.parent.glob(f".*{_BUILDING}"):
        other = left.with_name(left.name.removeprefix(".").removesuffix(_BUILDING))
        if (handle := _lock(other)) is not None:
            shutil.rmtree(left, ignore_errors=True)
            os.close(handle)


def _fresh(place: Path) -> Path:
    return place.with_name(f".{place.name}{_BUILDING}")
