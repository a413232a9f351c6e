"""What all searchers share beyond their contract."""

from __future__ import annotations

import pytest

from kdsearch.records import Outcome
from kdsearch.searchers.random import RandomSearch
from kdsearch.space import Candidate, Choice, SearchSpace


def searcher(budgets: int) -> RandomSearch:
    space = SearchSpace([Choice("width", tuple(range(1, 100)))])
    return RandomSearch(RandomSearch.Options(), space, 0, measure=lambda _: {}, budgets=((),) * budgets)


def tell(searcher: RandomSearch, number: int, *curve: float) -> None:
    candidate = Candidate.of({"width": number + 1})
    searcher.tell(Outcome(number, candidate, "done", {"accuracy": 0.5}, {}, curve=curve))


def test_the_median_curve_waits_for_five_trials_and_counts_those_that_reached_an_epoch():
    made = searcher(1)
    for number, curve in enumerate([(0.1, 0.2), (0.2, 0.4), (0.3,), (0.4, 0.6)]):
        tell(made, number, *curve)
    assert made.curve(9) == ()
    tell(made, 4, 0.5, 0.9)
    assert made.curve(9) == pytest.approx((0.3, 0.5))


def test_each_budget_has_a_median_of_its_own():
    made = searcher(2)
    for number in range(10):
        tell(made, number, 0.8 if number % 2 == 0 else 0.4)
    assert made.curve(10) == (0.8,)
    assert made.curve(11) == (0.4,)


def test_trials_without_a_curve_do_not_count():
    made = searcher(1)
    for number in range(6):
        tell(made, number)
    assert made.curve(6) == ()
