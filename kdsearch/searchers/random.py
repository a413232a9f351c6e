"""Random search: what any other searcher has to beat."""

from __future__ import annotations

from kdsearch.candidates.repair import draw_for
from kdsearch.candidates.space import Candidate, Rng
from kdsearch.searchers.base import Searcher
from kdsearch.spec.sections import Section


class RandomSearch(Searcher):
    """Draws every candidate at its budget, and learns nothing."""

    class Options(Section):
        """None."""

    def _propose(self, number: int, rng: Rng, attempt: int) -> Candidate:  # noqa: ARG002
        budget = self.budget(number)
        return draw_for(self.space, self.measure, self.budgets[budget], rng, inside=self.inside[budget])
