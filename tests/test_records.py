from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdsearch.candidates.space import Candidate
from kdsearch.records import Outcome, pareto_front


def _outcome(number, accuracy, macs, state="done"):
    return Outcome(number, Candidate.of({"width": number}), state, {"accuracy": accuracy}, {"macs": macs})


def test_the_front_holds_what_nothing_beats_in_both():
    outcomes = [_outcome(0, 0.5, 10), _outcome(1, 0.4, 20), _outcome(2, 0.9, 30), _outcome(3, 0.9, 31)]
    assert [each.number for each in pareto_front(outcomes)] == [0, 2]


def test_failures_and_accuracies_that_are_not_numbers_are_never_on_the_front():
    outcomes = [_outcome(0, 0.9, 1, "failed"), _outcome(1, math.nan, 1), _outcome(2, 0.1, 5)]
    assert [each.number for each in pareto_front(outcomes)] == [2]


def test_of_equals_the_first_stays():
    assert [each.number for each in pareto_front([_outcome(4, 0.5, 10), _outcome(3, 0.5, 10)])] == [3]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=30))
def test_the_front_is_what_comparing_every_pair_gives(points):
    outcomes = [_outcome(number, accuracy / 10, macs) for number, (accuracy, macs) in enumerate(points)]
    beaten = {
        (accuracy, macs)
        for accuracy, macs in points
        for other, cost in points
        if other >= accuracy and cost <= macs and (other, cost) != (accuracy, macs)
    }
    wanted = {(accuracy / 10, macs) for accuracy, macs in points if (accuracy, macs) not in beaten}
    assert {(each.metrics["accuracy"], each.costs["macs"]) for each in pareto_front(outcomes)} == wanted


def test_merit_is_the_score_where_there_is_one_and_nothing_for_failures_and_what_is_no_number():
    plain = _outcome(0, 0.5, 1)
    assert (plain.merit, plain.merit_stderr) == (0.5, 0.0)
    assert replace(plain, metrics={"accuracy": 0.5, "accuracy_stderr": 0.02}).merit_stderr == 0.02
    scored = replace(plain, metrics={"accuracy": 0.5, "accuracy_stderr": 0.02, "score": -1.5, "score_stderr": 0.1})
    assert (scored.merit, scored.merit_stderr) == (-1.5, 0.1)
    assert _outcome(0, 0.5, 1, "failed").merit == -math.inf
    assert replace(plain, metrics={"accuracy": 0.5, "score": math.nan}).merit == -math.inf


@pytest.mark.parametrize("mark", ["dropped", "pruned"])
def test_an_outcome_that_was_given_up_on_its_way_is_no_point_of_the_front(mark):
    partial = replace(_outcome(0, 0.9, 5), metrics={"accuracy": 0.9, mark: 1.0})
    assert [each.number for each in pareto_front([partial, _outcome(1, 0.5, 10)])] == [1]
