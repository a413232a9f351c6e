"""Several items at once, each worker a process of its own on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from queue import SimpleQueue
from typing import Any

from pydantic import Field

from kdsearch.errors import KdsearchError
from kdsearch.executors.base import Arguments, Executor, Result, Say
from kdsearch.executors.base_policy import Policy, WorkerLost
from kdsearch.executors.base_worker import Worker
from kdsearch.spec.sections import Section


class Process(Executor):
    """Worker processes that are started once, and replaced when one dies.

    Ctrl-C reaches the driver only, which ends the workers; they also end when the driver is killed. What is shared
    lies where the driver has it, and the system keeps what workers map into memory once for all of them.
    """

    class Options(Section):
        """``workers``: processes, null: one a core; ``threads``: torch threads of each, null: the cores shared out.

        ``timeout_minutes``: what one trial may take before it counts as hanging; trainings at the end have no limit.
        """

        workers: int | None = Field(None, ge=1, le=256)
        threads: int | None = Field(None, ge=1, le=1024)
        timeout_minutes: float | None = Field(None, gt=0, le=1e7)

    options: Options
    threads: int

    def __init__(self, options: Section) -> None:
        super().__init__(options)
        cores = len(os.sched_getaffinity(0))
        self._count = self.options.workers or cores
        self.threads = self.options.threads or max(1, cores // self._count)
        self._policy = Policy(self.options.timeout_minutes)
        self._waiters = ThreadPoolExecutor(self._count, thread_name_prefix="kdsearch-worker")
        self._idle: SimpleQueue[Worker] = SimpleQueue()
        self._workers: list[Worker] = []
        self._ended = False

    @property
    def capacity(self) -> int:
        return self._count

    def start(self, initializer: Callable[..., None], arguments: Arguments) -> None:
        """Each process starts at its first item."""
        places = (self.shared,) if self.shared else ()
        self._workers = [Worker(self.threads, initializer, (*arguments, *places)) for _ in range(self._count)]
        for worker in self._workers:
            self._idle.put(worker)

    def submit(self, function: Callable[..., Result], item: Any, hear: Say | None = None) -> Future[Result]:
        """As in the base class; each item holds one thread of the driver, which waits for its worker and hears it."""
        return self._waiters.submit(self._run, function, item, hear)

    def shutdown(self, *, cancel: bool = False) -> None:
        """Ends the workers; with ``cancel`` what they are at is lost and its futures raise."""
        self._ended = cancel
        if cancel:
            for worker in self._workers:
                worker.kill()
        self._waiters.shutdown(cancel_futures=cancel)
        for worker in self._workers:
            worker.kill()

    def _run(self, function: Callable[..., Result], item: Any, hear: Say | None) -> Any:
        worker, seconds = self._idle.get(), self._policy.limit_s(item)
        try:
            for attempt in count(1):
                try:
                    return worker.run(function, item, hear, seconds)
                except TimeoutError:
                    return self._policy.after_timeout(item)
                except WorkerLost as loss:
                    if self._ended:
                        raise KdsearchError("the worker was stopped; resume the run") from None
                    if (given_up := self._policy.after_loss(item, attempt, loss)) is not None:
                        return given_up
        finally:
            self._idle.put(worker)
