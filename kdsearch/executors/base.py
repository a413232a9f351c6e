"""What every executor offers: work goes in, futures come out, as in ``concurrent.futures``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, ClassVar, TypeVar

from kdsearch.spec.sections import Section

Item = TypeVar("Item")
Result = TypeVar("Result")
Arguments = tuple[Any, ...]


class Executor(ABC):
    """Runs functions of one argument somewhere that ``start`` has set up; functions are importable, arguments small."""

    Options: ClassVar[type[Section]] = Section
    in_process: ClassVar[bool] = False
    """Whether items run in the driver's own process, which has planned the study already."""

    threads: int | None = None
    """Torch threads of each item; None: those of the driver."""

    def __init__(self, options: Section) -> None:
        self.options = options

    @property
    @abstractmethod
    def capacity(self) -> int:
        """How many items are worked on at once; more would only wait."""

    @abstractmethod
    def start(self, initializer: Callable[..., None], arguments: Arguments) -> None:
        """Says what every worker calls once before its first item."""

    @abstractmethod
    def submit(self, function: Callable[[Item], Result], item: Item) -> Future[Result]:
        """The future of ``function(item)``. An exception that the function raises is the future's."""

    @abstractmethod
    def shutdown(self, *, cancel: bool = False) -> None:
        """Ends the workers: when the work submitted is done, or at once if ``cancel``."""
