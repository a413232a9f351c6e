"""Several items at once, each worker a process of its own on this machine."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from pydantic import Field

from kdsearch.errors import KdsearchError
from kdsearch.executors.base import Arguments, Executor, Item, Result
from kdsearch.records import Outcome, Trial
from kdsearch.spec.sections import Section

_ATTEMPTS = 3
_log = logging.getLogger(__name__)
# spawn: fork deadlocks once torch has started its threads
_spawn = multiprocessing.get_context("spawn")


class Process(Executor):
    """Worker processes that are started once, and replaced when one dies.

    An item whose worker died is tried again on a new one, three times in all; then a trial counts as failed, and other
    work raises. A trial that takes too long has failed at once, and its worker is replaced. Ctrl-C reaches the driver
    only, which ends the workers; they also end when the driver is killed.
    """

    class Options(Section):
        """``workers``: processes, null: one a core; ``threads``: torch threads of each, null: the cores shared out.

        ``timeout_minutes``: what one trial may take before it counts as hanging; trainings at the end have no limit.
        """

        workers: int | None = Field(None, ge=1, le=256)
        threads: int | None = Field(None, ge=1)
        timeout_minutes: float | None = Field(None, gt=0)

    options: Options
    threads: int

    def __init__(self, options: Section) -> None:
        super().__init__(options)
        cores = len(os.sched_getaffinity(0))
        self._count = self.options.workers or cores
        self.threads = self.options.threads or max(1, cores // self._count)
        self._waiters = ThreadPoolExecutor(self._count, thread_name_prefix="kdsearch-worker")
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._workers: list[_Worker] = []
        self._ended = False

    @property
    def capacity(self) -> int:
        return self._count

    def start(self, initializer: Callable[..., None], arguments: Arguments) -> None:
        """Each process starts at its first item."""
        self._workers = [_Worker(self.threads, initializer, arguments) for _ in range(self._count)]
        for worker in self._workers:
            self._idle.put(worker)

    def submit(self, function: Callable[[Item], Result], item: Item) -> Future[Result]:
        """As in the base class; each item holds one thread of the driver, which waits for its worker."""
        return self._waiters.submit(self._run, function, item)

    def shutdown(self, *, cancel: bool = False) -> None:
        """Ends the workers; with ``cancel`` what they are at is lost and its futures raise."""
        self._ended = cancel
        if cancel:
            for worker in self._workers:
                worker.kill()
        self._waiters.shutdown(cancel_futures=cancel)
        for worker in self._workers:
            worker.kill()

    def _run(self, function: Callable[[Item], Result], item: Item) -> Result:
        worker, minutes = self._idle.get(), self.options.timeout_minutes
        seconds = 60 * minutes if minutes is not None and isinstance(item, Trial) else None
        try:
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    return worker.run(function, item, seconds)
                except TimeoutError:
                    reason = f"took longer than executor.timeout_minutes ({minutes:g}); its worker was ended"
                    _log.warning("a trial %s", reason)
                    return _give_up(item, f"the trial {reason}", seconds or 0.0)
                except _WorkerDied as death:
                    if self._ended:
                        raise KdsearchError("the worker was stopped") from None
                    _log.warning("%s (attempt %d of %d)", death, attempt, _ATTEMPTS)
                    reason = str(death)
            return _give_up(item, f"{reason} {_ATTEMPTS} times at this; was it short of memory?")
        finally:
            self._idle.put(worker)


class _WorkerDied(Exception):
    """The process is gone before it answered."""


class _Worker:
    """One process and the pipe to it; a dead process is replaced at the next item."""

    def __init__(self, threads: int, initializer: Callable[..., None], arguments: Arguments) -> None:
        self._setup = (threads, initializer, arguments)
        self._process: Any = None
        self._pipe: Connection | None = None
        self._ended = False

    def run(self, function: Callable[[Item], Result], item: Item, seconds: float | None) -> Result:
        """What the function returns in the worker; ``seconds``: how long it may take.

        Raises:
            _WorkerDied: the process ended before it answered.
            TimeoutError: it took longer; the process has been ended.
            RuntimeError: the function raised; the message is its traceback. A KdsearchError is raised as it was.
        """
        try:
            pipe = self._pipe or self._spawn()
            pipe.send((function, item))
            if not pipe.poll(seconds):
                self._process.kill()
                self._bury()
                raise TimeoutError
            error, result = pipe.recv()
        except (EOFError, ConnectionError):
            raise _WorkerDied(f"a worker process died ({self._bury()})") from None
        if error is not None:
            raise error
        return result

    def kill(self) -> None:
        """Ends the process at once, and for good."""
        self._ended = True
        if self._process is not None:
            self._process.kill()
            self._process.join()

    def _spawn(self) -> Connection:
        if self._ended:
            raise EOFError
        ours, theirs = _spawn.Pipe()
        self._process = _spawn.Process(target=_serve, args=(theirs, *self._setup), name="kdsearch worker", daemon=True)
        self._process.start()
        theirs.close()
        self._pipe = ours
        if self._ended:  # killed while it started
            self._process.kill()
        ours.recv()  # it is set up: what follows is the item's own time
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


def _give_up(item: Any, reason: str, seconds: float = 0.0) -> Any:
    if isinstance(item, Trial):
        return Outcome(item.number, item.candidate, "failed", seconds=seconds, traceback=reason)
    raise KdsearchError(reason)


def _serve(pipe: Connection, threads: int, initializer: Callable[..., None], arguments: Arguments) -> None:
    """A worker's life: set up once, then one answer an item until the driver closes the pipe or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole terminal group; the driver decides
    threading.Thread(target=_end_with_driver, daemon=True).start()
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(threads)
    failure: Exception | None = None
    try:
        initializer(*arguments)
    except Exception as error:  # noqa: BLE001 - told to the driver with the first item
        failure = _portable(error)
    pipe.send(None)
    while True:
        try:
            function, item = pipe.recv()
        except (EOFError, ConnectionError):
            return
        except Exception as error:  # noqa: BLE001 - the function cannot be imported here
            pipe.send((_portable(error), None))
            continue
        answer = (failure, None) if failure else _answer(function, item, threads)
        try:
            pipe.send(answer)
        except (TypeError, AttributeError, pickle.PicklingError) as error:
            pipe.send((_portable(error), None))


def _answer(function: Callable[[Any], Any], item: Any, threads: int) -> tuple[Exception | None, Any]:
    torch = sys.modules.get("torch")  # loaded by now if anything needs it; the variables came too late for a torch
    if torch is not None and torch.get_num_threads() != threads:  # that the initializer's module imported
        torch.set_num_threads(threads)
    try:
        return None, function(item)
    except Exception as error:  # noqa: BLE001 - told to the driver, whose future raises it
        return _portable(error), None


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
