"""What is known about a run while it works, kept from its progress messages; no torch, no terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kdsearch.progress import Progress
from kdsearch.report.words import say_duration, say_values
from kdsearch.spec.metric import ACCURACY, Metric

BLOCKS = "▁▂▃▄▅▆▇█"


class Board:
    """The latest message of each phase, the best figure so far, and how long what is left will take.

    Times are seconds of one monotonic clock, given by the caller.
    """

    def __init__(self, metric: Metric = ACCURACY) -> None:
        self.metric = metric
        self.latest: Progress | None = None
        self.finished: list[tuple[str, float]] = []
        self.climb: list[float] = []
        self._phase_start = 0.0
        self._first = (0, 0.0)

    @property
    def phase(self) -> str:
        return self.latest.phase if self.latest else ""

    @property
    def best(self) -> float | None:
        """The figure of the trial that ranks first in this phase; the best one if nobody says which."""
        return self.climb[-1] if self.climb else None

    def post(self, progress: Progress, now: float) -> tuple[bool, bool]:
        """Takes a message in; says whether a new phase began and whether there is another best."""
        began = progress.phase != self.phase
        if began:
            if self.latest is not None:
                self.finished.append((self.phase, now - self._phase_start))
            self._phase_start, self.climb = now, []
        if began or self._restarts(progress):
            self._first = (progress.step, now)
        self.latest = progress
        return began, self._climb(progress)

    def _restarts(self, progress: Progress) -> bool:
        """Whether another piece of work of the same phase began: its pace is not the last one's."""
        before = self.latest
        return before is not None and (progress.total != before.total or progress.step < before.step)

    def _climb(self, progress: Progress) -> bool:
        if progress.phase != "search":
            return False
        before = self.best
        seen = [figure for figure in (before, progress.values.get(self.metric.name)) if figure is not None]
        reached = progress.values.get("best", max(seen, key=self.metric.merit, default=None))
        if reached is not None:
            self.climb.append(reached)
        return reached != before

    def elapsed_s(self, now: float) -> float:
        """Seconds since the phase began."""
        return now - self._phase_start

    def left_s(self, now: float) -> float | None:
        """Seconds until the phase ends at the pace seen so far in it; None until there is a pace.

        Steps that were done before a resumed phase began do not count.
        """
        if self.latest is None or not self.latest.total:
            return None
        step, since = self._first
        done = self.latest.step - step
        return (now - since) / done * (self.latest.total - self.latest.step) if done > 0 else None

    def say(self, now: float) -> str:
        """The state in one line."""
        assert self.latest is not None
        progress = self.latest
        place = f"{progress.step:,}/{progress.total:,}" if progress.total else ""
        left = self.left_s(now)
        parts = (
            f"{progress.phase:<8}{place}",
            progress.note,
            say_values(progress.values, self.metric),
            f"{say_duration(left)} left" if left is not None and progress.step < progress.total else "",
        )
        return "  ".join(part for part in parts if part).rstrip()


def draw_sparkline(values: Sequence[float], width: int = 24) -> str:
    """The values as a row of blocks, lowest to highest, thinned to ``width``."""
    if not values:
        return ""
    count = min(width, len(values))
    thinned = [values[(at + 1) * len(values) // count - 1] for at in range(count)]
    low, high = min(thinned), max(thinned)
    span = (high - low) or 1.0
    return "".join(BLOCKS[round((value - low) / span * (len(BLOCKS) - 1))] for value in thinned)


def flatten(tree: Mapping[str, object], prefix: str = "") -> list[tuple[str, object]]:
    """Nested mappings as (dotted key, value) pairs, in order."""
    pairs: list[tuple[str, object]] = []
    for key, value in tree.items():
        name = f"{prefix}{key}"
        pairs.extend(flatten(value, f"{name}.") if isinstance(value, Mapping) and value else [(name, value)])
    return pairs
