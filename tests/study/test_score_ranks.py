"""Scores of finalists against what they reached."""

from __future__ import annotations

import pytest

from kdsearch.candidates.space import Candidate
from kdsearch.records import Finalist, Outcome
from kdsearch.study.score_ranks import describe_ranks


def gene(at: int) -> Candidate:
    return Candidate.of({"a": at})


def test_the_first_rounds_finalists_are_compared_with_their_scores_within_their_budgets():
    told = [Outcome(at, gene(at), "done", {"accuracy": 0.1, "score": float(at)}) for at in range(12)]
    reached = [0.0, 1.0, 2.0, 3.0, 5.0, 4.0]  # one pair of fifteen is turned round
    first = [Finalist(0, 1, 3, gene(at), 0.5, value) for at, value in enumerate(reached)]
    later = [Finalist(0, 2, 9, gene(at), 0.5, -float(at)) for at in range(6)]  # of another age
    few = [Finalist(1, 1, 3, gene(6 + at), 0.5, -float(at)) for at in range(4)]  # too few to say anything
    untold = Finalist(0, 1, 3, gene(99), 0.5, 99.0)
    found = describe_ranks(told, [*first, *later, *few, untold])["rank"]
    assert found is not None
    assert found["tau"] == pytest.approx(13 / 15)
    assert found["count"] == 6
    assert found["low"] < found["tau"] < found["high"]


@pytest.mark.parametrize(
    ("trained", "said"),
    [(0, "no candidate of"), (1, "1 candidate with a score of"), (4, "4 candidates with a score of")],
)
def test_too_few_finalists_are_counted_and_the_option_is_named(trained, said):
    told = [Outcome(at, gene(at), "done", {"accuracy": 0.1, "score": float(at)}) for at in range(8)]
    finalists = [Finalist(1, 1, 3, gene(at), 0.5, float(at)) for at in range(trained)]
    other = [Finalist(0, 1, 3, gene(5), 0.5, 1.0)] * bool(trained)  # of another budget: not to be compared with those
    found = describe_ranks(told, [*finalists, *other])
    assert found["rank"] is None
    assert found["rank_unknown"].startswith(said)
    assert found["rank_unknown"].endswith("it takes 5: set finish.finalists to 8, say")


def test_finalists_whose_scores_the_ledger_lacks_do_not_count():
    finalists = [Finalist(0, 1, 3, gene(at), 0.5, float(at)) for at in range(9)]
    assert describe_ranks([], finalists)["rank_unknown"].startswith("no candidate of one budget")
