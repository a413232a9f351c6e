"""Candidates at the budget: random draws and repaired children, found rather than rejected; no torch here."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import numpy as np

from kdsearch.candidates.space import Candidate, Measure, Rng, SearchSpace, Window, Windows
from kdsearch.errors import InfeasibleError


def draw_bent(
    space: SearchSpace, measure: Measure, windows: Windows, rng: Rng, *, inside: Candidate | None = None
) -> Candidate:
    """As ``draw_for``, and then bent: wider or narrower towards the end or the middle of the net, as a whole.

    Jitters of single widths average out, so that without it hardly any draw would differ from a uniform net in the
    direction that matters most: how a budget is shared between early and late layers.

    Raises:
        InfeasibleError: as for ``draw_for``.
    """
    drawn = draw_for(space, measure, windows, rng, "random, bent", inside=inside)
    return repair(space, bend(space, drawn, rng, drawn.origin), measure, windows, rng, inside=inside)


def bend(space: SearchSpace, candidate: Candidate, rng: Rng, origin: str) -> Candidate:
    """The candidate bent at random, inside the windows or not."""
    tilt, bow = rng.uniform() * rng.uniform(-_BEND, _BEND, 2)
    return space.bend(candidate, tilt, bow, origin)


def draw_for(
    space: SearchSpace,
    measure: Measure,
    windows: Windows,
    rng: Rng,
    origin: str = "random",
    *,
    inside: Candidate | None = None,
) -> Candidate:
    """A random candidate inside the windows, however tight they are.

    Each parameter gets a jitter of its own, and one offset common to all is bisected until the costs fit, so that
    shapes from almost uniform to wild turn up at any budget; plain uniform draws would never find a budget of a tenth.
    Where no window has a lower end the draw is uniform, as in the official MetaPruning code, and moved only if it is
    too dear. Measures about 8 candidates for a window of 5%. ``inside`` as for ``repair``.

    Raises:
        InfeasibleError: none was found; the message names the nearest.
    """
    drawn = space.sample(rng, origin)
    if any(window.low is not None for window in windows):
        amplitude = rng.uniform()
        jitter = amplitude * rng.uniform(-0.5, 0.5, len(space.last_ranks))
        drawn = space.at_ranks(drawn, (0.5 + jitter) * space.last_ranks)
    return repair(space, drawn, measure, windows, rng, inside=inside)


def find_inside(space: SearchSpace, measure: Measure, windows: Windows, rng: Rng, near: Candidate) -> Candidate:
    """A candidate inside the windows: ``near``, one of its shape, or whatever can be found with more patience.

    Raises:
        InfeasibleError: none was found; the message names the nearest.
    """
    try:
        return repair(space, near, measure, windows, rng)
    except InfeasibleError as error:
        climbed = _Fit(space, measure, windows).climb(near)
        if climbed is not None:
            return climbed
        for _ in range(_DRAWS):
            with contextlib.suppress(InfeasibleError):
                return draw_for(space, measure, windows, rng)
        raise error from None


def repair(
    space: SearchSpace,
    candidate: Candidate,
    measure: Measure,
    windows: Windows,
    rng: Rng,
    *,
    inside: Candidate | None = None,
) -> Candidate:
    """The candidate if it lies inside the windows, else one of nearly its shape that does.

    The ranks of all ordered choices are moved by one common offset, found by bisection; a dither below half a rank
    makes them step one by one. What the offset jumps over is reached by raising single parameters, and if that fails
    too (steps coarser than the windows, windows that contradict each other at this shape), by a random walk that leaves
    the shape. Takes costs to grow with the ranks; gives up after some 2,000 measures.

    ``inside``, a candidate known to lie in the windows, shortens that walk: shapes between the two are tried, ever
    nearer to it, and then steps away from it, so that something is always found.

    Raises:
        InfeasibleError: none was found, and no ``inside`` was given; the message names the nearest.
    """
    if all(window.miss(measure(candidate)) == 0 for window in windows):
        return candidate
    fit = _Fit(space, measure, windows)
    for attempt in range(_TRIES):
        found = fit.shift(candidate, rng, attempt / _TRIES)
        if found is not None:
            return found
    for attempt in range(_WALKS if inside is None else _WALKS_BESIDE):
        start = fit.nearest() if attempt == 0 else space.sample(rng)
        found = fit.walk(start, rng)
        if found is not None:
            return replace(found, origin=candidate.origin)
    if inside is not None:
        return replace(fit.approach(candidate, inside, rng), origin=candidate.origin)
    return replace(fit.nearest_inside(), origin=candidate.origin)


_BEND = 0.8  # of a list of choices, between the ends of the net
_TRIES = 4
_HALVINGS = 14
_PASSES = 3
_WALKS = 6
_WALKS_BESIDE = 2  # where a candidate inside is known
_DRAWS = 20
_SHARES = tuple(0.5**power for power in range(1, 7))  # of the way from a candidate inside the windows to another
_STEPS = 300
_FREE = 1e-6  # what a step costs at least, as a share of a limit
_AIM = 0.9  # of the limit, where a window without a lower end says only what is too dear


class _Fit:
    """Looks for a candidate inside the windows, and remembers the nearest that it met."""

    def __init__(self, space: SearchSpace, measure: Measure, windows: Windows) -> None:
        self._space, self._measure, self._windows = space, measure, windows
        bounded = any(window.low is not None for window in windows)
        first = windows[0]
        self._aims = windows if bounded else (Window(first.cost, _AIM * first.high, first.high), *windows[1:])
        self._misses: dict[Candidate, tuple[float, ...]] = {}

    def shift(self, candidate: Candidate, rng: Rng, loose: float) -> Candidate | None:
        """The candidate moved by a common offset into the windows, first jittered by ``loose`` of each list."""
        last = self._space.last_ranks
        start = self._space.ranks(candidate) + rng.uniform(-0.5, 0.5, len(last))
        start += loose * last * rng.uniform(-1, 1, len(last))
        below, above = -1.5 - loose, 1.5 + loose
        under = self._space.at_ranks(candidate, 0 * last)
        for _ in range(_HALVINGS):
            middle = (below + above) / 2
            moved = self._space.at_ranks(candidate, start + middle * last)
            gap = self._gap(moved)
            if gap == 0:
                return moved
            if gap > 0:
                above = middle
            else:
                below, under = middle, moved
        return self._fill(under, rng)

    def _fill(self, candidate: Candidate, rng: Rng) -> Candidate | None:
        """A candidate too cheap with single parameters raised, in random order, until it fits."""
        ranks, last = self._space.ranks(candidate), self._space.last_ranks
        for place in np.tile(rng.permutation(len(last)), _PASSES):
            if ranks[place] == last[place]:
                continue
            ranks[place] += 1
            raised = self._space.at_ranks(candidate, ranks)
            gap = self._gap(raised)
            if gap == 0:
                return raised
            if gap > 0:
                ranks[place] -= 1
        return None

    def approach(self, candidate: Candidate, inside: Candidate, rng: Rng) -> Candidate:
        """A shape between the two that fits, as near to the candidate as is found; at last one near ``inside``."""
        start, goal = self._space.ranks(inside), self._space.ranks(candidate)
        for share in _SHARES:
            between = self._space.at_ranks(candidate, start + share * (goal - start))
            found = self.shift(between, rng, 0.0)
            if found is not None:
                return found
        for _ in range(_STEPS):
            moved = self._step(inside, rng)
            if self._distance(moved) == 0:
                inside = moved
        return inside

    def climb(self, candidate: Candidate) -> Candidate | None:
        """The smallest widths raised where the first cost gains most for what the others lose, until all fit.

        For limits that contradict each other at most shapes, such as many MACs in few parameters.
        """
        first, others = self._windows[0], self._windows[1:]
        ranks = 0 * self._space.last_ranks
        reached = self._space.at_ranks(candidate, ranks)
        while self._gap(reached) < 0:
            before = self._measure(reached)
            best, best_place = 0.0, -1
            for place in np.flatnonzero(ranks < self._space.last_ranks).tolist():
                raised = self._space.at_ranks(candidate, ranks + (np.arange(len(ranks)) == place))
                if max(self._miss(raised)) > 0:
                    continue
                costs = self._measure(raised)
                prices = ((costs[window.cost] - before[window.cost]) / window.high for window in others)
                gain = (costs[first.cost] - before[first.cost]) / first.high / (max(prices, default=0.0) + _FREE)
                if gain > best:
                    best, best_place = gain, place
            if best_place < 0:
                return None
            ranks[best_place] += 1
            reached = self._space.at_ranks(candidate, ranks)
        return reached if self._gap(reached) == 0 else None

    def walk(self, candidate: Candidate, rng: Rng) -> Candidate | None:
        """The candidate after random small and large changes, each kept unless it leads away from the windows."""
        distance = self._distance(candidate)
        for _ in range(_STEPS):
            moved = self._step(candidate, rng)
            away = self._distance(moved)
            if away == 0:
                return moved
            if away <= distance:
                candidate, distance = moved, away
        return None

    def _step(self, candidate: Candidate, rng: Rng) -> Candidate:
        """Two parameters or so re-drawn, or one rank up or down."""
        share = 2 / len(self._space.parameters)
        if rng.random() < 0.5:
            return self._space.mutate(candidate, rng, share)
        count = len(self._space.last_ranks)
        moves = rng.integers(-1, 2, count) * (rng.random(count) < share)
        return self._space.at_ranks(candidate, self._space.ranks(candidate) + moves)

    def nearest(self) -> Candidate:
        """The candidate met that missed what was aimed at by least."""
        return min(self._misses, key=self._distance)

    def nearest_inside(self) -> Candidate:
        """The nearest candidate met, if it keeps the limits though it lies below what was aimed at.

        Raises:
            InfeasibleError: it does not.
        """
        nearest = self.nearest()
        costs = self._measure(nearest)
        missed = [window for window in self._windows if window.miss(costs) != 0]
        if not missed:
            return nearest
        wanted = ", ".join(f"{w.cost} {_range(w)} (the nearest has {costs[w.cost]:,.0f})" for w in missed)
        raise InfeasibleError(f"found no candidate with {wanted}; raise the limit or widen limits.window")

    def _gap(self, candidate: Candidate) -> float:
        """0 inside the windows, above 0 if any cost is too high, else below 0."""
        misses = self._miss(candidate)
        return max(misses) if max(misses) > 0 else min(misses)

    def _distance(self, candidate: Candidate) -> float:
        return sum(abs(miss) for miss in self._miss(candidate))

    def _miss(self, candidate: Candidate) -> tuple[float, ...]:
        if candidate not in self._misses:
            costs = self._measure(candidate)
            self._misses[candidate] = tuple(window.miss(costs) for window in self._aims)
        return self._misses[candidate]


def _range(window: Window) -> str:
    return f"up to {window.high:,.0f}" if window.low is None else f"from {window.low:,.0f} to {window.high:,.0f}"
