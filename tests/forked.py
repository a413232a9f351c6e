"""Commands in processes of their own that need not import torch again: each is forked from a server that has."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import IO, Self

_SERVER = multiprocessing.get_context("forkserver")
# what takes long to import; none of it computes by itself, since a process that has cannot be forked any more
_SERVER.set_forkserver_preload(["torch._dynamo", "torchvision", "timm", "optuna", "scipy.stats", "jinja2", "rich.live"])


class Forked:
    """A command in a process of its own: to be read from, signalled and waited for, as one of ``subprocess``."""

    def __init__(self, words: tuple[str, ...], folder: Path) -> None:
        (out, its_out), (err, its_err) = _SERVER.Pipe(duplex=False), _SERVER.Pipe(duplex=False)
        self._process = _SERVER.Process(target=_run, args=(words, folder, dict(os.environ), its_out, its_err))
        self._process.start()
        its_out.close()
        its_err.close()
        self.stdout, self.stderr = _read(out), _read(err)

    @property
    def returncode(self) -> int | None:
        """Minus the number of a signal that ended it."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self._process.is_alive():
            os.kill(self._process.pid or 0, number)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it writes until its end, on both streams."""
        said: list[str] = []
        listener = Thread(target=lambda: said.append(self.stderr.read()))
        listener.start()
        output = self.stdout.read()
        listener.join(timeout)
        self._process.join(timeout)
        return output, said[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.send_signal(signal.SIGKILL)
        self._process.join()
        self.stdout.close()
        self.stderr.close()


def fork(*words: str, folder: Path) -> Forked:
    """``kdsearch WORDS`` begun in the folder."""
    return Forked(words, folder)


def _read(pipe: Connection) -> IO[str]:
    return os.fdopen(os.dup(pipe.fileno()), encoding="utf-8")


def _run(words: tuple[str, ...], folder: Path, environment: dict[str, str], out: Connection, err: Connection) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    out.close()
    err.close()
    # as a new interpreter opens them: the server's own know what its streams were
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", 1, "utf-8", "backslashreplace", closefd=False)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    import torch

    from kdsearch.commands import main

    torch.set_num_threads(1)  # the server's number is that of its own start
    main(words)
