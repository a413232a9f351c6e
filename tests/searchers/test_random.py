"""Random search: what it draws hangs on its seed and the trial's number alone."""

from __future__ import annotations

from kdsearch.candidates.space import Choice, SearchSpace
from kdsearch.records import Outcome
from kdsearch.searchers.random import RandomSearch

SPACE = SearchSpace([Choice(f"layer{number}", tuple(range(8, 72, 8))) for number in range(6)])


def searcher(seed: int = 0) -> RandomSearch:
    return RandomSearch(RandomSearch.Options(), SPACE, seed, measure=lambda _: {}, budgets=((),))


def drawn(made: RandomSearch, *, told: bool) -> list[tuple[tuple[str, object], ...]]:
    found = []
    for number in range(20):
        candidate = made.ask(number)
        found.append(candidate.pairs)
        if told:
            made.tell(Outcome(number, candidate, "done", {"accuracy": number / 20}))
    return found


def test_it_learns_nothing_from_what_it_is_told():
    assert drawn(searcher(), told=False) == drawn(searcher(), told=True)


def test_another_seed_draws_others_and_no_candidate_comes_twice():
    first, second = drawn(searcher(0), told=True), drawn(searcher(1), told=True)
    assert len(set(first)) == len(set(second)) == 20
    assert not set(first) & set(second)
