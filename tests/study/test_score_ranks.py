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
    found = describe_ranks(told, [*first, *later, *few, untold])
    assert found is not None
    assert found["tau"] == pytest.approx(13 / 15)
    assert found["count"] == 6
    assert found["low"] < found["tau"] < found["high"]
    assert describe_ranks(told, few) is None
    assert describe_ranks(told, []) is None
