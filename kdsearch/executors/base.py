"""What every executor offers: work goes in, futures come out, as in ``concurrent.futures``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from kdsearch.spec.sections import Section

Item = TypeVar("Item")
Result = TypeVar("Result")
Arguments = tuple[Any, ...]
Say = Callable[[Any], Any]
"""What a function at work tells the driver before its result is there; the driver's answer comes back."""


class Executor(ABC):
    """Runs functions somewhere that ``start`` has set up; functions are importable, arguments and results small values.

    Workers need not see the driver's disk: what they read is shared, what they found comes back as a result.
    """

    Options: ClassVar[type[Section]] = Section
    in_process: ClassVar[bool] = False
    """Whether items run in the driver's own process, which has planned the study already."""

    threads: int | None = None
    """Torch threads of each item; None: those of the driver."""

    def __init__(self, options: Section) -> None:
        self.options = options
        self.shared: dict[str, Path] = {}

    def share(self, files: Mapping[str, Path]) -> None:
        """Names files and folders of the driver that workers read; called before ``start``.

        A name ends in the file's own name. Each worker's initializer is called with one argument more: where each lies
        for that worker, under its own name still. What is not among them (an executor may find it too large) the worker
        looks for where the driver has it. On one machine that is the driver's own path; elsewhere a copy.
        """
        self.shared = dict(files)

    @property
    @abstractmethod
    def capacity(self) -> int:
        """How many items are worked on at once; more would only wait."""

    @abstractmethod
    def start(self, initializer: Callable[..., None], arguments: Arguments) -> None:
        """Says what every worker calls once before its first item."""

    @abstractmethod
    def submit(self, function: Callable[..., Result], item: Any, hear: Say | None = None) -> Future[Result]:
        """The future of ``function(item)``. An exception that the function raises is the future's.

        With ``hear`` it is the future of ``function(item, say)``: what the function tells ``say`` is handed to ``hear``
        in the driver, in any of its threads, and what that returns is what ``say`` returns. An item that is tried again
        begins anew, and says again what it said. What ``hear`` raises ends the item and is the future's.
        """

    @abstractmethod
    def shutdown(self, *, cancel: bool = False) -> None:
        """Ends the workers: when the work submitted is done, or at once if ``cancel``."""
