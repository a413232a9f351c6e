"""Outcomes as Optuna's trials and back, whatever their figures are."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from kdsearch.candidates.space import Choice, Real, SearchSpace
from kdsearch.records import Outcome
from kdsearch.rundir.ledger_trials import find_distribution, make_trial, read_trial

SPACE = SearchSpace([Choice("width", (8, 24, 32)), Choice("loss", ("kl", "l2")), Real("rate", 1e-4, 1e-1, log=True)])
DISTRIBUTIONS = {parameter.name: find_distribution(parameter) for parameter in SPACE.parameters}
FIGURE = st.floats(width=64) | st.integers(-(10**12), 10**12)
ONE, TWO = ("accuracy",), ("accuracy", "macs")
NAMES = st.sampled_from(["score", "score_stderr", "images", "a name with spaces"])


def outcome(number: int = 3, **figures) -> Outcome:
    candidate = SPACE.sample(np.random.default_rng(number), "mutation of 2")
    return Outcome(number, candidate, **({"state": "done", "metrics": {"accuracy": 0.5}} | figures))


@given(accuracy=st.floats(0, 1), more=st.dictionaries(NAMES, FIGURE), macs=FIGURE)
def test_every_figure_comes_back_as_it_was(accuracy, more, macs):
    before = outcome(metrics={"accuracy": accuracy, **more}, costs={"macs": macs}, seconds=1.5)
    after = read_trial(make_trial(before, ONE, DISTRIBUTIONS))
    assert repr(after) == repr(before)  # nan is not equal to itself, and its words are


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_attributes_are_words_where_json_has_no_number(value):
    trial = make_trial(outcome(metrics={"accuracy": 0.5, "score": value}), ONE, DISTRIBUTIONS)
    json.dumps(trial.user_attrs, allow_nan=False)


@pytest.mark.parametrize(
    ("made", "objectives", "state"),
    [
        (outcome(), ONE, TrialState.COMPLETE),
        (outcome(metrics={"accuracy": 0.5, "pruned": 1.0}), ONE, TrialState.PRUNED),
        (outcome(metrics={"accuracy": 0.5, "pruned": 1.0}, costs={"macs": 5}), TWO, TrialState.PRUNED),
        (outcome(metrics={"accuracy": 0.5, "dropped": 1.0}, costs={"macs": 5}), TWO, TrialState.PRUNED),
        (outcome(costs={"macs": 5}), TWO, TrialState.COMPLETE),
        (outcome(metrics={"accuracy": 0.5, "pruned": 1.0}), TWO, TrialState.FAIL),  # its costs were lost
        (outcome(metrics={"accuracy": math.nan}), ONE, TrialState.FAIL),
        (outcome(state="failed", metrics={}, traceback="Traceback:\nValueError: no"), ONE, TrialState.FAIL),
    ],
)
def test_the_dashboard_sees_how_a_trial_ended(made, objectives, state):
    assert make_trial(made, objectives, DISTRIBUTIONS).state == state


def test_a_trial_took_as_long_as_the_outcome_says_and_keeps_its_curve():
    trial = make_trial(outcome(seconds=90.0, curve=(0.2, 0.4)), ONE, DISTRIBUTIONS)
    assert trial.duration is not None
    assert trial.duration.total_seconds() == 90
    assert trial.intermediate_values == {1: 0.2, 2: 0.4}
    assert read_trial(trial).curve == (0.2, 0.4)


def test_widths_are_a_range_with_a_step_that_reaches_them_all():
    assert find_distribution(Choice("width", (8, 24, 32))) == IntDistribution(8, 32, step=8)
    assert find_distribution(Choice("width", (10,))) == IntDistribution(10, 10)
    assert find_distribution(Choice("loss", ("kl", "l2"))) == CategoricalDistribution(("kl", "l2"))
    assert find_distribution(Real("rate", 1e-4, 1e-1, log=True)) == FloatDistribution(1e-4, 1e-1, log=True)
