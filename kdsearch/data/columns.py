"""Columns of numbers as memory-mapped .npy files in one folder, with a header that tells a whole folder from a damaged.

A column has one row for each item; what a row is, whoever writes the column says.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from kdsearch.errors import StoreError

_HEADER = "header.json"
_BLOCK = 1 << 20
_BLOCKS = 64  # how many blocks of a file are hashed to see damage: all of a file up to 64 MiB

Columns = Mapping[str, NDArray[Any]]


class ColumnWriter:
    """Appends rows to columns in a folder that is there and empty; nothing can be read before ``finish``.

    Rows are written, not assigned to a mapping: on a full disk a mapping kills the program, a write raises OSError.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, BinaryIO] = {}
        self._open = ExitStack()  # closes every file, even where closing one raises because the disk is full
        self._layout: dict[str, tuple[str, tuple[int, ...]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()

    def append(self, name: str, rows: NDArray[Any], total: int) -> None:
        """Adds rows to a column that will have ``total`` rows.

        Raises:
            OSError: they cannot be written.
        """
        if name not in self._files:
            self._begin(name, rows, total)
        self._files[name].write(np.ascontiguousarray(rows).data)

    def _begin(self, name: str, rows: NDArray[Any], total: int) -> None:
        file = self._files[name] = self._open.enter_context((self._folder / f"{name}.npy").open("wb"))
        shape = (total, *rows.shape[1:])
        self._layout[name] = (rows.dtype.str, shape)
        np.lib.format.write_array_header_2_0(file, {"descr": rows.dtype.str, "fortran_order": False, "shape": shape})

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Flushes all columns to the disk and writes the header, with ``facts`` in it.

        Raises:
            OSError: they cannot be written.
        """
        layout = {}
        for name, file in self._files.items():
            file.flush()
            os.fsync(file.fileno())
            kind, shape = self._layout[name]
            layout[name] = {"kind": kind, "shape": shape, "sha256": _digest(self._folder / f"{name}.npy")}
        with (self._folder / _HEADER).open("w", encoding="utf-8") as header:
            json.dump({"facts": dict(facts), "columns": layout}, header, indent=1)
            header.flush()
            os.fsync(header.fileno())


def read_columns(folder: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The facts of the header, and the columns by name, mapped into memory.

    Files up to 64 MiB are compared with their hash in full, of a larger one 64 blocks of 1 MiB that lie all over it.

    Raises:
        StoreError: something is missing or not as it was written.
    """
    try:
        header = json.loads((folder / _HEADER).read_text(encoding="utf-8"))
        columns = {name: _map(folder / f"{name}.npy", written) for name, written in header["columns"].items()}
        return dict(header["facts"]), columns
    except (OSError, EOFError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoreError(
            f"{folder}: damaged ({str(error).splitlines()[0] if str(error) else 'empty'}); delete it"
        ) from None


def _map(path: Path, written: Mapping[str, Any]) -> NDArray[Any]:
    """The column, if the file is what the header says of it."""
    column: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    if (column.dtype.str, list(column.shape)) != (written["kind"], written["shape"]):
        raise ValueError(f"{path.name} holds {column.dtype} {column.shape}")
    if _digest(path) != written["sha256"]:
        raise ValueError(f"{path.name} has changed")
    return np.asarray(column)  # a plain array over the mapping: numpy.memmap costs microseconds at every access


def _digest(path: Path) -> str:
    """A hash of the size and of up to 64 blocks evenly spaced from the first to the last."""
    size = path.stat().st_size
    found = hashlib.sha256(str(size).encode())
    starts = list(range(0, size, _BLOCK))
    if len(starts) > _BLOCKS:
        starts = [at * (size - _BLOCK) // (_BLOCKS - 1) for at in range(_BLOCKS)]
    with path.open("rb") as file:
        for start in starts:
            file.seek(start)
            found.update(file.read(_BLOCK))
    return found.hexdigest()
