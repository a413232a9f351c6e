"""What all searchers share beyond their contract."""

from __future__ import annotations

import pytest

from kdsearch.candidates.space import Candidate, Choice, SearchSpace
from kdsearch.records import Outcome
from kdsearch.searchers.optuna import OptunaSearch
from kdsearch.searchers.random import RandomSearch


def searcher(budgets: int) -> RandomSearch:
    space = SearchSpace([Choice("width", tuple(range(1, 100)))])
    return RandomSearch(RandomSearch.Options(), space, 0, measure=lambda _: {}, budgets=((),) * budgets)


def scored(number: int, accuracy: float, score: float) -> Outcome:
    """An outcome whose accuracy says another thing than its score."""
    metrics = {"accuracy": accuracy, "accuracy_stderr": 0.01, "score": score, "score_stderr": 0.1}
    return Outcome(number, Candidate.of({"width": number + 1}), "done", metrics)


def test_the_best_and_the_bar_are_by_score_where_there_is_one():
    made = searcher(1)
    for number in range(12):
        made.tell(scored(number, 0.9 - number / 100, -2 + number / 10))
    assert [each.number for each in made.best(0, 3)] == [11, 10, 9]
    assert made.keeps == 10
    assert made.bar(12) == pytest.approx(-2 + 2 / 10 - 2.58 * 0.1)  # of the tenth best, which is number 2


def test_optuna_is_told_scores():
    space = SearchSpace([Choice("width", tuple(range(1, 100)))])
    made = OptunaSearch(OptunaSearch.Options(), space, 0, measure=lambda _: {})
    made.tell(scored(0, 0.9, -1.5))
    (trial,) = made._studies[0].trials
    assert trial.values == [-1.5]
