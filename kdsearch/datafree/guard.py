"""While a guard is up no file of the user's images can be opened: what learns without data learns without them."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kdsearch.datafree.native_readers import Wrapping
from kdsearch.errors import LeakError

_FDS = "/proc/self/fd"


class _Guard:
    """Files and folders that may not be read, by their real paths, and what was refused."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self.roots = tuple(os.path.realpath(root) for root in roots)
        self.refused: list[LeakError] = []

    def refuse(self, what: str) -> None:
        error = LeakError(
            f"learning without data: {what}; no image of the study may be seen while a student learns from what was "
            "generated: remove that reading from the strategy"
        )
        self.refused.append(error)
        raise error

    def check(self, path: str, reader: str) -> None:
        for root in self.roots:
            if path == root or path.startswith(root.rstrip(os.sep) + os.sep):
                self.refuse(f"{reader} was about to read {path}")


_guards: list[_Guard] = []  # those that are up, the innermost last
_hooking = threading.Lock()
_hooked: list[bool] = []


@contextmanager
def guarding(roots: Sequence[Path]) -> Iterator[None]:
    """Within the block, in every thread, nothing at or below ``roots`` can be opened or listed; all else can.

    Refused are Python's own ways to a file (an audit hook; links, relative paths and file descriptors are followed),
    the readers of torch, torchvision, safetensors and others that open files past Python (wrapped), and whatever starts
    a program or a fresh interpreter, which nobody could watch. What was read before, or is a hard link from elsewhere,
    is not known for what it is. Guards nest; outside of all of them files are opened as ever. Without roots there is
    nothing to guard.

    Raises:
        LeakError: where something was refused, also at the block's end if the block went on after it.
    """
    if not roots:
        yield
        return
    guard = _Guard(roots)
    with _hooking:
        if not _hooked:
            sys.addaudithook(_hear)  # for good: a hook cannot be taken back, so it answers at once where no guard is up
            _hooked.append(True)
    with _wrapping.wrapped():
        _guards.append(guard)
        try:
            yield
        finally:
            _guards.remove(guard)
    if guard.refused:
        raise guard.refused[0]


def _hear(event: str, args: tuple[Any, ...]) -> None:
    """Python's own events."""
    if _guards and (judge := _EVENTS.get(event)) is not None:
        judge(event, args)


def _judge_open(event: str, args: tuple[Any, ...]) -> None:
    path, mode = args[0], args[1]
    _check(_real_paths(path), event)
    if mode is None and not isinstance(path, int) and not os.path.isabs(os.fspath(path)):
        _check(_beside_open_folders(os.fsdecode(path)), event)  # os.open with dir_fd, which the event leaves out


def _judge_path(event: str, args: tuple[Any, ...]) -> None:
    path = args[0]
    _check(_real_paths("." if path is None else path), event)


def _judge_link(event: str, args: tuple[Any, ...]) -> None:
    """A file under another name would be read there."""
    source, folder = args[0], args[2]
    inside = next(_real_paths(folder), "") if isinstance(folder, int) and folder >= 0 else ""
    _check(_real_paths(os.path.join(inside, os.fsdecode(source))), event)


def _judge_database(event: str, args: tuple[Any, ...]) -> None:
    name = os.fsdecode(args[0])
    _check(_real_paths(name.removeprefix("file:").split("?")[0]), event)


def _judge_program(event: str, args: tuple[Any, ...]) -> None:
    _refuse_program(f"{event}({args[0]!r})")


_EVENTS: dict[str, Callable[[str, tuple[Any, ...]], None]] = {
    "open": _judge_open,
    **dict.fromkeys(("os.listdir", "os.scandir", "mmap.__new__"), _judge_path),
    **dict.fromkeys(("os.link", "os.rename", "os.symlink"), _judge_link),
    "sqlite3.connect": _judge_database,
    **dict.fromkeys(
        ("subprocess.Popen", "os.system", "os.posix_spawn", "os.spawn", "os.exec", "os.startfile"), _judge_program
    ),
}


def _check(paths: Iterable[str], reader: str) -> None:
    for path in paths:
        for guard in _guards:
            guard.check(path, reader)


def _check_reader(path: Any, reader: str) -> None:
    if _guards and isinstance(path, str | os.PathLike):
        _check(_real_paths(path), reader)


def _refuse_program(program: str) -> None:
    if _guards:
        _guards[-1].refuse(f"{program} was about to start a program, which could read anything unseen")


_wrapping = Wrapping(_check_reader, _refuse_program)


def _real_paths(path: Any) -> Iterator[str]:
    """Where a path, or an open file's number, leads; nothing for a number that belongs to no file."""
    if isinstance(path, int):
        with suppress(OSError):
            yield os.readlink(f"{_FDS}/{path}")
        return
    yield os.path.realpath(os.fsdecode(path))


def _beside_open_folders(path: str) -> Iterator[str]:
    """A relative path as it reads from each folder that is open."""
    with suppress(OSError):
        for number in os.listdir(_FDS):
            with suppress(OSError):
                yield os.path.realpath(os.path.join(os.readlink(f"{_FDS}/{number}"), path))
