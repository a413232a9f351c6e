"""The two ways to watch a run: a display that redraws itself on a terminal, single lines elsewhere; no torch here."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from kdsearch.errors import printable
from kdsearch.progress import Progress
from kdsearch.report.board import Board, draw_sparkline
from kdsearch.report.words import say_duration, say_values
from kdsearch.spec.metric import ACCURACY, Metric

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

REDRAWS_PER_SECOND = 4  # drawings a second; few, since they take processor time from the run
Clock = Callable[[], float]


class Lines:
    """Writes a line for a new phase, a new best, the end of a phase, and now and then in between.

    In between: once a second at first, then ever more seldom, so that a log grows with the logarithm of time.
    """

    def __init__(self, stream: TextIO, clock: Clock = time.monotonic, metric: Metric = ACCURACY) -> None:
        self._stream, self._clock = stream, clock
        self._board = Board(metric)
        self._began = self._wrote = clock()

    def __call__(self, progress: Progress) -> None:
        now = self._clock()
        began, rose = self._board.post(progress, now)
        ended = bool(progress.total) and progress.step >= progress.total
        pause = max(1.0, (now - self._began) / 60)
        if began or rose or ended or now - self._wrote >= pause:
            self._stream.write(f"{printable(self._board.say(now))}\n")
            self._stream.flush()
            self._wrote = now


class Screen:
    """Draws the board; rich asks for the drawing several times a second, so that the clock runs between messages."""

    def __init__(
        self, clock: Clock = time.monotonic, say: Callable[[str], None] | None = None, metric: Metric = ACCURACY
    ) -> None:
        self._clock, self._say = clock, say
        self._board = Board(metric)

    def __call__(self, progress: Progress) -> None:
        self._board.post(progress, self._clock())
        if progress.phase == "plan" and progress.note and self._say is not None:
            self._say(progress.note)  # said once, it stays above the part that is redrawn

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        board, now = self._board, self._clock()
        if board.latest is None:
            return Text("planning ...", style="dim")
        rows: list[RenderableType] = [self._draw_bar(now)]
        if board.latest.note or board.latest.values:
            said = printable(f"  {board.latest.note}  {say_values(board.latest.values, board.metric)}".rstrip())
            rows.append(Text(said, overflow="ellipsis"))
        if len(board.climb) > 1 and board.best is not None:
            climb = f"  best so far {board.metric.say(board.best)}  {draw_sparkline(board.climb)}"
            rows.append(Text(climb, style="green"))
        if board.finished:
            done = ", ".join(f"{phase} {say_duration(seconds)}" for phase, seconds in board.finished)
            rows.append(Text(f"  done: {done}", style="dim"))
        return Group(*rows)

    def _draw_bar(self, now: float) -> RenderableType:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        board = self._board
        assert board.latest is not None
        step, total = board.latest.step, board.latest.total
        left = board.left_s(now)
        grid = Table.grid(padding=(0, 1))
        times = f"{say_duration(board.elapsed_s(now))}" + (f", {say_duration(left)} left" if left is not None else "")
        bar = ProgressBar(total=total or None, completed=step, width=30, pulse=not total, animation_time=now)
        place = f"{step:,}/{total:,}" if total else ""
        grid.add_row(Text(f"{board.phase:<8}", style="bold cyan"), bar, Text(place), Text(times, style="dim"))
        return grid


@contextmanager
def on_screen(console: Console, metric: Metric = ACCURACY) -> Iterator[Screen]:
    """A screen that redraws itself until the block ends; lines logged meanwhile appear above it."""
    from rich.live import Live

    screen = Screen(say=console.print, metric=metric)
    with (
        Live(console=console, get_renderable=lambda: screen, refresh_per_second=REDRAWS_PER_SECOND, transient=True),
        _logs_above(),
    ):
        yield screen


@contextmanager
def _logs_above() -> Iterator[None]:
    """Sends the log through rich's stand-in for standard error: handlers made earlier hold the real one."""
    handlers = [handler for handler in logging.getLogger().handlers if type(handler) is logging.StreamHandler]
    streams = [handler.stream for handler in handlers if handler.stream is sys.__stderr__]
    moved = [handler for handler in handlers if handler.stream is sys.__stderr__]
    for handler in moved:
        handler.setStream(sys.stderr)
    try:
        yield
    finally:
        for handler, stream in zip(moved, streams, strict=True):
            handler.setStream(stream)
