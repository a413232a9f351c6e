"""What a run shows in a notebook: one line of progress that is written over, its results, its charts; no torch here."""

from __future__ import annotations

import importlib
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from kdsearch.progress import Progress, Watch
from kdsearch.report.amounts import draw_amounts
from kdsearch.report.answers import show_answers
from kdsearch.report.board import Board
from kdsearch.report.console import live
from kdsearch.report.figures import draw_figures
from kdsearch.report.limits import list_limited, say_costs
from kdsearch.report.page import Figure
from kdsearch.report.reading import read_run
from kdsearch.report.rendering import render_template
from kdsearch.report.table import say_figure, show_nets
from kdsearch.report.words import say_duration
from kdsearch.spec.metric import ACCURACY, Metric

if TYPE_CHECKING:
    from kdsearch.records import Outcome
    from kdsearch.rundir.summary import Summary

_REDRAW_SECONDS = 0.25
_LINE = Markup('<progress value="{}" max="{}"></progress> <code>{}</code>')
_CHART_PIXELS = 420


def in_notebook() -> bool:
    """Whether this is a notebook's kernel, where output that is written over is a message of its own."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return hasattr(shell, "kernel")


@contextmanager
def shown_here(metric: Metric = ACCURACY) -> Iterator[Watch]:
    """A watch that shows progress where the program runs: in a notebook's cell, or as the command line does."""
    if not in_notebook():
        with live(metric=metric) as watch:
            yield watch
        return
    cell = Cell(_display(), metric=metric)
    with warnings.catch_warnings():
        # of tqdm, which others import, in a notebook without widgets
        warnings.filterwarnings("ignore", message="IProgress not found")
        yield cell
    cell.finish()


class Cell:
    """One line below a notebook's cell; it is written over, so that a run of hours leaves one line."""

    def __init__(
        self,
        show: Callable[[dict[str, str]], None],
        clock: Callable[[], float] = time.monotonic,
        metric: Metric = ACCURACY,
    ) -> None:
        self._show, self._clock, self._board = show, clock, Board(metric)
        self._drew = -_REDRAW_SECONDS

    def __call__(self, progress: Progress) -> None:
        now = self._clock()
        began, _ = self._board.post(progress, now)
        if began or now - self._drew >= _REDRAW_SECONDS:
            self._draw(now)

    def finish(self) -> None:
        """Says in the same line how long each phase took; nothing of a run that had none."""
        if self._board.latest is None:
            return
        now = self._clock()
        phases = [*self._board.finished, (self._board.phase, self._board.elapsed_s(now))]
        said = f"done: {', '.join(f'{phase} {say_duration(seconds)}' for phase, seconds in phases)}"
        self._show({"text/plain": said, "text/html": str(Markup("<code>{}</code>").format(said))})

    def _draw(self, now: float) -> None:
        progress, said = self._board.latest, self._board.say(now)
        assert progress is not None
        self._show({"text/plain": said, "text/html": str(_LINE.format(progress.step, max(progress.total, 1), said))})
        self._drew = now


def _display() -> Callable[[dict[str, str]], None]:
    """Shows what it is given in place of what it was given before."""
    display = importlib.import_module("IPython.display").display  # a notebook has it
    handle: Any = None

    def show(bundle: dict[str, str]) -> None:
        nonlocal handle
        if handle is None:
            handle = display(bundle, raw=True, display_id=True)
        else:
            handle.update(bundle, raw=True)

    return show


@dataclass(frozen=True, slots=True, repr=False)
class Charts:
    """Charts that a notebook shows, in a frame of their own, so that its style and theirs do not mix."""

    figures: tuple[Figure, ...]

    def __repr__(self) -> str:
        return f"{len(self.figures)} charts: {'; '.join(figure.title for figure in self.figures)}"

    def _repr_html_(self) -> str:
        page = render_template("charts.html", figures=self.figures)
        height = _CHART_PIXELS * ((len(self.figures) + 1) // 2)
        frame = Markup('<iframe srcdoc="{}" width="100%" height="{}" style="border:0"></iframe>')
        return str(frame.format(page, min(height, 2 * _CHART_PIXELS)))


def chart_run(summary: Summary, outcomes: Sequence[Outcome]) -> Charts:
    """All charts of the report."""
    run = read_run(summary, outcomes)
    return Charts((*draw_amounts(run), *draw_figures(run)))


def say_result(summary: Summary) -> str:
    """A run in a line: its state, and what its winners reached at which cost."""
    run = read_run(summary, ())
    winners = (
        f"{net.id} {say_figure(run, net)} at {say_costs(net, list_limited(run, net.budget))}"
        for net in run.nets
        if net.role == "winner"
    )
    return f"{run.name}: {run.state}; {'; '.join(winners) or 'no student yet'} ({run.run_dir})"


def show_result(summary: Summary) -> str:
    """The table of nets and the answers, as HTML."""
    run = read_run(summary, ())
    answers = [(card.title, answer) for card in show_answers(run) for answer in card.answers]
    return render_template("result.html", name=run.name, state=run.state, nets=show_nets(run), answers=answers)
