"""One item after the other, in the driver itself."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from kdsearch.executors.base import Arguments, Executor, Result, Say
from kdsearch.spec.sections import Section


class Serial(Executor):
    """Works in the driver's own process; ``submit`` comes back when the item is done.

    A search that was killed and resumed ends bit-equal to one that was not.
    """

    class Options(Section):
        """None."""

    capacity = 1
    in_process = True

    def __init__(self, options: Section) -> None:
        super().__init__(options)
        self._begin: Callable[[], None] | None = None

    def start(self, initializer: Callable[..., None], arguments: Arguments) -> None:
        """The initializer runs at the first ``submit``: a search that is already complete never needs it."""
        places = (self.shared,) if self.shared else ()
        self._begin = lambda: initializer(*arguments, *places)

    def submit(self, function: Callable[..., Result], item: Any, hear: Say | None = None) -> Future[Result]:
        future: Future[Result] = Future()
        if self._begin is not None:
            self._begin()
            self._begin = None
        try:
            future.set_result(function(item) if hear is None else function(item, hear))
        except Exception as error:  # noqa: BLE001 - it is the future's to raise, where the result is asked for
            future.set_exception(error)
        return future

    def shutdown(self, *, cancel: bool = False) -> None:
        """Nothing is left to end."""
