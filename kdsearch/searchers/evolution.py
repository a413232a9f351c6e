"""Evolution of candidates (MetaPruning, Liu et al. 2019, section 3.2), by generations or steadily."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from kdsearch.candidates.repair import bend, draw_bent, draw_for
from kdsearch.candidates.space import Candidate, Rng
from kdsearch.records import Outcome
from kdsearch.searchers.base import Searcher
from kdsearch.spec.sections import Section

if TYPE_CHECKING:
    from kdsearch.spec.study_spec import StudySpec


class Evolution(Searcher):
    """Mutations and crossovers of the best candidates so far, each repaired into its budget's windows.

    With the defaults and ``mode: generational`` it is the paper's search: 50 random candidates, then 19 generations of
    25 mutations and 25 crossovers of the 10 best of all generations before, 1,000 evaluations in all. ``steady`` has no
    barrier between generations: every trial draws from the outcomes there are, so that no worker waits and good
    candidates become parents at once; and some of its random candidates and mutations are bent, wider towards one end
    or the middle of the net as a whole, which single mutations would need many steps for.

    Deviations from the official code: children that exceed the limit are repaired, not thrown away, and a mutation
    changes at least one position.
    """

    class Options(Section):
        """``population`` trials make a generation; ``steady`` draws the first ``population`` of them at random.

        ``mutation`` and ``crossover``: how many of each generation (of every ``population`` trials on average where
        steady); the rest is random. ``mutation_probability``: of each position. ``generations`` ends a generational
        search. ``bends``: share of the random candidates and of the mutations that are bent, where steady.
        ``migration``: share of parents taken from the budgets next to a candidate's own, where there are several.
        """

        mode: Literal["steady", "generational"] = "steady"
        population: int = Field(50, ge=2, le=1_000_000)
        parents: int = Field(10, ge=1, le=1_000_000)
        mutation: int = Field(25, ge=0, le=1_000_000)
        crossover: int = Field(25, ge=0, le=1_000_000)
        mutation_probability: float = Field(0.1, gt=0, le=1)
        generations: int = Field(20, ge=1, le=1_000_000)
        bends: float = Field(0.3, ge=0, le=1)
        migration: float = Field(0.2, ge=0, le=1)

        @model_validator(mode="after")
        def _parts_fit(self) -> Evolution.Options:
            if self.parents > self.population:
                raise ValueError(f"parents ({self.parents}) must not exceed population ({self.population})")
            children = self.mutation + self.crossover
            if children > self.population:
                raise ValueError(f"mutation + crossover ({children}) must not exceed population ({self.population})")
            return self

        def idle_beside(self, study: StudySpec) -> Mapping[str, str]:
            if study.limits.budgets == 1:
                return {"migration": "limits names one budget, so no other has parents to give"}
            return {}

        def idle(self) -> Mapping[str, str]:
            found = {}
            if self.mode == "steady":
                found["generations"] = "mode: steady goes on until budget.trials"
            else:
                found["bends"] = "mode: generational is the paper's search, which bends nothing"
            if not self.mutation:
                found["mutation_probability"] = "mutation: 0 makes no mutations"
            return found

    options: Options

    def total(self, trials: int) -> int:
        if self.options.mode == "steady":
            return trials
        return min(trials, self.options.population * self.options.generations)

    def ready(self, number: int) -> bool:
        if self.options.mode == "steady":
            return True
        start = number - number % self.options.population
        return all(earlier in self._told for earlier in range(start - self.options.population, start) if earlier >= 0)

    @property
    def keeps(self) -> int:
        return self.options.parents

    def _propose(self, number: int, rng: Rng, attempt: int) -> Candidate:  # noqa: ARG002
        pool = self._parents(number) if number >= self.options.population else []
        slot = self._slot(number, rng)
        if not pool or slot >= self.options.mutation + self.options.crossover:
            draw = draw_bent if self._bends(rng) else draw_for
            budget = self.budget(number)
            return draw(self.space, self.measure, self.budgets[budget], rng, inside=self.inside[budget])
        first = self._pick(number, pool, rng)
        if slot < self.options.mutation:
            origin = f"mutation of {first.number}"
            if self._bends(rng):
                return bend(self.space, first.candidate, rng, f"bend of {first.number}")
            return self.space.mutate(first.candidate, rng, self.options.mutation_probability, origin)
        second = self._pick(number, [parent for parent in pool if parent.number != first.number] or pool, rng)
        origin = f"crossover of {first.number} and {second.number}"
        return self.space.crossover(first.candidate, second.candidate, rng, origin)

    def _bends(self, rng: Rng) -> bool:
        """Whether this one is bent; never where there is nothing to bend, such as in a search of weights only."""
        movable = self.options.mode == "steady" and bool(self.space.last_ranks.any())
        return movable and bool(rng.random() < self.options.bends)

    def _slot(self, number: int, rng: Rng) -> int:
        """The place in its generation: mutations first, then crossovers, then random ones; drawn where steady."""
        if self.options.mode == "generational":
            return number % self.options.population
        return int(rng.integers(self.options.population))

    def _parents(self, number: int) -> list[Outcome]:
        """The best candidates of the trial's own budget, filled up with those of the nearest budgets."""
        own = self.budget(number)
        pool: list[Outcome] = []
        for budget in sorted(range(len(self.budgets)), key=lambda other: (abs(other - own), other)):
            pool += self._best_before(number, budget)
            if len(pool) >= self.options.parents:
                break
        return pool[: self.options.parents]

    def _pick(self, number: int, pool: list[Outcome], rng: Rng) -> Outcome:
        """A parent drawn with equal chance; now and then one of the budget above or below."""
        own = self.budget(number)
        nearby = [budget for budget in (own - 1, own + 1) if 0 <= budget < len(self.budgets)]
        if nearby and rng.random() < self.options.migration:
            pool = self._best_before(number, nearby[rng.integers(len(nearby))]) or pool
        return pool[rng.integers(len(pool))]

    def _best_before(self, number: int, budget: int) -> list[Outcome]:
        generational = self.options.mode == "generational"
        before = number - number % self.options.population if generational else math.inf
        return self.best(budget, self.options.parents, before)
