"""One worker process and the pipe to it.

What goes through the pipe: to the worker (function, item, whether it may say something) or the answer to what it said;
from it (kind, content), where the kind is ready, said, log, done or failed.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Literal

from kdsearch.errors import KdsearchError
from kdsearch.executors.base import Arguments, Result, Say
from kdsearch.executors.base_policy import WORKERS_LOG, WorkerLost

Kind = Literal["ready", "said", "log", "done", "failed"]
# spawn: fork deadlocks once torch has started its threads
_spawn = multiprocessing.get_context("spawn")
_log = logging.getLogger(WORKERS_LOG)
_log.propagate = False  # heard by the log file alone: every worker repeats what the driver has said
_log.setLevel(logging.INFO)


class Worker:
    """One process and the pipe to it; a dead process is replaced at the next item."""

    def __init__(self, threads: int, initializer: Callable[..., None], arguments: Arguments) -> None:
        self._setup = (threads, initializer, arguments)
        self._process: Any = None
        self._pipe: Connection | None = None
        self._ended = False

    def run(self, function: Callable[..., Result], item: Any, hear: Say | None, seconds: float | None) -> Result:
        """What the function returns in the worker; ``seconds``: how long it may take.

        Raises:
            WorkerLost: the process ended before it answered.
            TimeoutError: it took longer; the process has been ended.
            RuntimeError: the function raised; the message is its traceback. A KdsearchError is raised as it was.
        """
        try:
            pipe = self._pipe or self._spawn()
            pipe.send((function, item, hear is not None))
            kind, content = self._listen(pipe, hear, seconds)
        except (EOFError, ConnectionError):
            raise WorkerLost(f"a worker process died ({self._bury()})") from None
        if kind == "failed":
            raise content
        result: Result = content
        return result

    def kill(self) -> None:
        """Ends the process at once, and for good."""
        self._ended = True
        if self._process is not None:
            self._process.kill()
            self._process.join()

    def _listen(self, pipe: Connection, hear: Say | None, seconds: float | None) -> tuple[Kind, Any]:
        """The first message that is neither a log line nor something said, which is answered."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            if not pipe.poll(None if deadline is None else max(0.0, deadline - time.monotonic())):
                self._process.kill()
                self._bury()
                raise TimeoutError
            kind, content = pipe.recv()
            if kind == "log":
                _log.info("%s", content)
            elif kind == "said" and hear is not None:
                pipe.send(self._answer(hear, content))
            else:
                return kind, content

    def _answer(self, hear: Say, content: Any) -> Any:
        try:
            return hear(content)
        except BaseException:  # the worker would wait for ever for its answer
            self._process.kill()
            self._bury()
            raise

    def _spawn(self) -> Connection:
        if self._ended:
            raise EOFError
        ours, theirs = _spawn.Pipe()
        self._process = _spawn.Process(target=_serve, args=(theirs, *self._setup), name="kdsearch worker", daemon=True)
        self._process.start()
        theirs.close()
        self._pipe = ours
        if self._ended:  # kill() was called while the process started
            self._process.kill()
        self._listen(ours, None, None)  # until it is set up, which no item's time limit counts
        return ours

    def _bury(self) -> str:
        process, self._process = self._process, None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None
        if process is None:
            return "it was not started"
        process.join()
        code = process.exitcode
        if code is None:  # `kill` waits for the same process in another thread, and only one of them hears its code
            return "ended by the driver"
        return f"signal {-code}" if code < 0 else f"exit code {code}"


class _Line:
    """The worker's end of the pipe; several of its threads may log at once."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._turn = pipe, threading.Lock()

    def send(self, kind: Kind, content: Any) -> None:
        with self._turn:
            self._pipe.send((kind, content))

    def say(self, content: Any) -> Any:
        self.send("said", content)
        return self._pipe.recv()


class _ToDriver(logging.Handler):
    """Hands what the worker logs to the driver, which alone writes files."""

    def __init__(self, line: _Line) -> None:
        super().__init__()
        self._line = line
        self.setFormatter(logging.Formatter(f"worker {os.getpid()}: %(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError):  # the driver is gone, and this process will be
            self._line.send("log", self.format(record))


def _serve(pipe: Connection, threads: int, initializer: Callable[..., None], arguments: Arguments) -> None:
    """A worker's life: set up once, then one answer an item until the driver closes the pipe or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole terminal group; the driver decides
    threading.Thread(target=_end_with_driver, daemon=True).start()
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(threads)
    line = _Line(pipe)
    logging.getLogger("kdsearch").addHandler(_ToDriver(line))
    failure: Exception | None = None
    try:
        initializer(*arguments)
    except Exception as error:  # noqa: BLE001 - told to the driver with the first item
        failure = _portable(error)
    line.send("ready", None)
    while True:
        try:
            function, item, speaks = pipe.recv()
        except (EOFError, ConnectionError):
            return
        except Exception as error:  # noqa: BLE001 - the function cannot be imported here
            line.send("failed", _portable(error))
            continue
        _set_threads(threads)
        told = (item, line.say) if speaks else (item,)
        answer: tuple[Kind, Any] = _work(function, told) if failure is None else ("failed", failure)
        try:
            line.send(*answer)
        except (TypeError, AttributeError, pickle.PicklingError) as error:
            line.send("failed", _portable(error))


def _set_threads(threads: int) -> None:
    # the environment's variables came too late for a torch that the initializer's module imported
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


def _work(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[Kind, Any]:
    try:
        return "done", function(*arguments)
    except Exception as error:  # noqa: BLE001 - told to the driver, whose future raises it
        return "failed", _portable(error)


def _portable(error: Exception) -> Exception:
    """The error as one that can be sent: ours as they are, others as their traceback."""
    if isinstance(error, KdsearchError):
        return error
    return RuntimeError(f"in a worker: {error}\n{traceback.format_exc()}")


def _end_with_driver() -> None:
    driver = multiprocessing.parent_process()
    if driver is not None:
        driver.join()
        os._exit(1)
