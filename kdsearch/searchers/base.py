"""What every searcher offers: candidates by number, each inside its budget's windows, none twice."""

from __future__ import annotations

import heapq
import math
from abc import ABC, abstractmethod
from bisect import insort
from dataclasses import replace
from typing import ClassVar

import numpy as np

from kdsearch.candidates.repair import draw_for, repair
from kdsearch.candidates.space import Candidate, Measure, Rng, SearchSpace, Windows
from kdsearch.errors import SpaceExhausted
from kdsearch.records import Outcome
from kdsearch.spec.sections import Section

_DRAWS = 50
_LISTABLE = 4096
_SPREAD_99 = 2.58  # standard errors on either side of a two-sided 99% interval


class Searcher(ABC):
    """Says which candidate trial ``number`` tries.

    ``ask`` depends on the study's seed, the number, what was told and which trials are open, and on nothing else: a
    search that was cut off goes on by telling a new searcher the outcomes that were kept and asking for the numbers
    that are missing. Candidates are compared by their values, for a net its widths, so nothing is tried twice.

    ``budgets``: one tuple of windows a budget; trial n belongs to budget n modulo their number. ``measure``: a
    candidate's costs in closed form. ``seeds``: candidates to try first, repaired into their budget's windows.
    ``inside``: one candidate a budget that is known to lie in its windows, so that no repair can fail.
    """

    Options: ClassVar[type[Section]] = Section

    def __init__(  # noqa: PLR0913 - what a search is about, all of it by name
        self,
        options: Section,
        space: SearchSpace,
        seed: int,
        *,
        measure: Measure,
        budgets: tuple[Windows, ...] = ((),),
        seeds: tuple[Candidate, ...] = (),
        inside: tuple[Candidate, ...] = (),
    ) -> None:
        self.options = options
        self.space = space
        self.seed = seed
        self.measure = measure
        self.budgets = budgets
        self.inside = inside or (None,) * len(budgets)
        self._seeds = seeds
        self._open: dict[int, Candidate] = {}
        self._told: dict[int, Candidate] = {}
        self._taken: set[Candidate] = set()
        self._ranked: list[list[Outcome]] = [[] for _ in budgets]

    @property
    def keeps(self) -> int:
        """How many of the best of a budget matter: as parents, or as those from which the winner is chosen."""
        return 10

    def budget(self, number: int) -> int:
        """The place in ``budgets`` that trial ``number`` serves."""
        return number % len(self.budgets)

    def total(self, trials: int) -> int:
        """How many of the trials that the study allows this searcher makes use of."""
        return trials

    def ready(self, number: int) -> bool:  # noqa: ARG002
        """Whether trial ``number`` can be asked for now, or has to wait for outcomes still missing."""
        return True

    def ask(self, number: int) -> Candidate:
        """The candidate of trial ``number``; the same again while that trial is open.

        Raises:
            InfeasibleError: no candidate was found inside the windows, of which none was known.
            SpaceExhausted: all that were found have been tried.
        """
        if number in self._told:
            raise ValueError(f"trial {number} has been told already")
        if number not in self._open:
            candidate = self._fresh(number)
            self._settle(number, candidate)
            self._open[number] = candidate
            self._taken.add(candidate)
        return self._open[number]

    def tell(self, outcome: Outcome) -> None:
        """Takes in what came of a trial; a failed one is never a parent and never tried again."""
        if outcome.number in self._told:
            raise ValueError(f"trial {outcome.number} was told twice")
        asked = self._open.pop(outcome.number, None)
        if asked is not None and asked != outcome.candidate:
            self._taken.discard(asked)
        self._told[outcome.number] = outcome.candidate
        self._taken.add(outcome.candidate)
        if outcome.merit > -math.inf:
            insort(self._ranked[self.budget(outcome.number)], outcome, key=lambda each: (-each.merit, each.number))
        self._learn(outcome)

    def bar(self, number: int) -> float | None:
        """The merit that trial ``number`` must be able to reach to matter; None while nothing is too bad yet.

        It is the 99% lower bound of the ``keeps``-th best of the trial's budget: a candidate that cannot reach it is
        not among the best that the search works with, and need not be scored in full.
        """
        bounds = (outcome.merit - _SPREAD_99 * outcome.merit_stderr for outcome in self._ranked[self.budget(number)])
        best = heapq.nlargest(self.keeps, bounds)
        return best[-1] if len(best) == self.keeps else None

    def best(self, budget: int, count: int, before: float = math.inf) -> list[Outcome]:
        """The ``count`` best outcomes of a budget, of those numbered below ``before``; failures left out."""
        outcomes = (outcome for outcome in self._ranked[budget] if outcome.number < before)
        return [outcome for outcome, _ in zip(outcomes, range(count), strict=False)]

    @abstractmethod
    def _propose(self, number: int, rng: Rng, attempt: int) -> Candidate:
        """A candidate to try, in the windows or not; ``attempt`` counts the proposals that had been tried before."""

    def _settle(self, number: int, candidate: Candidate) -> None:  # noqa: B027
        """Hears which candidate trial ``number`` was given after repair."""

    def _learn(self, outcome: Outcome) -> None:  # noqa: B027
        """Hears every outcome told."""

    def _fresh(self, number: int) -> Candidate:
        rng = np.random.default_rng((self.seed, number))
        if number < len(self._seeds):
            seed = self._seeds[number]
            candidate = self._repair(number, replace(seed, origin=seed.origin or "seed"), rng)
            if candidate not in self._taken:
                return candidate
        for attempt in range(_DRAWS):
            candidate = self._repair(number, self._propose(number, rng, attempt), rng)
            if candidate not in self._taken:
                return candidate
        return self._last_resort(number, rng)

    def _repair(self, number: int, candidate: Candidate, rng: Rng) -> Candidate:
        budget = self.budget(number)
        return repair(self.space, candidate, self.measure, self.budgets[budget], rng, inside=self.inside[budget])

    def _last_resort(self, number: int, rng: Rng) -> Candidate:
        """A random candidate not tried yet; of a small space the list is searched, so that none is missed."""
        budget = self.budget(number)
        windows = self.budgets[budget]
        if self.space.size() <= _LISTABLE:
            left = [candidate for candidate in self.space.every() if candidate not in self._taken]
            for place in rng.permutation(len(left)):
                if all(window.miss(self.measure(left[place])) == 0 for window in windows):
                    return left[place]
        else:
            for _ in range(_DRAWS):
                candidate = draw_for(self.space, self.measure, windows, rng, inside=self.inside[budget])
                if candidate not in self._taken:
                    return candidate
        tried = f"{len(self._taken)} candidate{'s' if len(self._taken) != 1 else ''}"
        raise SpaceExhausted(f"{tried} tried, and no other found inside the limits")
