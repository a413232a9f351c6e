from __future__ import annotations

import pytest

from kdsearch.candidates.space import Candidate
from kdsearch.records import Outcome
from kdsearch.report.reading import read_run
from kdsearch.report.run import Run
from kdsearch.report.trials import draw_progress, draw_trials, find_fence, find_front
from kdsearch.spec.metric import LIKELIHOOD
from tests.report.conftest import run_of


def test_the_front_holds_the_points_that_nothing_beats():
    points = [(1.0, 0.5), (2.0, 0.4), (3.0, 0.7), (3.0, 0.6), (4.0, 0.7), (0.5, 0.1)]
    assert find_front(points) == [(0.5, 0.1), (1.0, 0.5), (3.0, 0.7)]


def test_failed_trials_are_not_drawn(summary, outcomes):
    svg = draw_trials(read_run(summary, outcomes)).svg
    assert sum(outcome.state == "failed" for outcome in outcomes) == 1
    # 120 trials, each once as a dot, and the winner and the uniform net on top of theirs
    assert svg.count('class="trial"') == 120
    assert svg.count('class="winner"') == svg.count('class="uniform"') == 1


def test_thousands_of_trials_still_give_a_small_page(summary, outcomes):
    many = [Outcome(at, outcomes[3].candidate, "done", {"accuracy": 0.5}, {"macs": 7e7}) for at in range(5000)]
    assert len(draw_trials(read_run(summary, many)).svg) < 500_000


def ranked(scores: list[float]) -> list[Outcome]:
    return [
        Outcome(at, Candidate.of({"a": at}), "done", {"accuracy": 0.5, "score": score}, {"macs": 10 + at})
        for at, score in enumerate(scores)
    ]


def by_likelihood(scores: list[float]) -> Run:
    return run_of(ranked(scores), ranked_by=LIKELIHOOD.describe())


@pytest.mark.parametrize("draw", [draw_trials, draw_progress])
def test_trials_are_drawn_by_what_ranks_them(draw):
    run = by_likelihood([-1.25, -1.125, -1.2, -1.15])
    assert "log-likelihood of the labels, nats (validation images)" in draw(run).svg
    by_accuracy = run_of([Outcome(0, Candidate.of({}), "done", {"accuracy": 0.5}, {"macs": 1})])
    assert ">accuracy (validation images)" in draw(by_accuracy).svg


def test_a_dot_tells_accuracy_and_likelihood():
    figure = draw_trials(by_likelihood([-1.25, -1.125, -1.2, -1.15]))
    assert "trial 1: 50.00 % (−1.125 nats), 11" in figure.svg


@pytest.mark.parametrize("draw", [draw_trials, draw_progress])
def test_an_outlier_lies_on_the_edge_and_is_counted(draw):
    scores = [-1.2 + 0.01 * at for at in range(20)]
    figure = draw(by_likelihood([*scores, -90.0, -80.0]))
    assert "−80" not in figure.svg.replace("(−80.000 nats)", "")
    assert "−1.2" in figure.svg
    assert ("trial", "22 trials, 2 of them below the edge") in figure.legend


def test_the_fence_spares_what_is_not_far_out():
    assert find_fence([3.0]) == 3
    assert find_fence([1.0, 2.0, 3.0, 4.0]) == 1
    assert find_fence([0.0, 0.0, 0.0, 0.0, 0.0]) == 0
    assert find_fence([-1000.0, *range(10)]) > -50


def test_a_trial_whose_merit_is_no_number_is_not_drawn():
    figure = draw_trials(by_likelihood([-1.2, float("nan"), -1.1]))
    assert figure.legend[0] == ("trial", "2 trials")


def test_each_budget_has_its_own_best_so_far():
    scores = [(10, 0.5), (40, 0.9), (10, 0.6), (40, 0.8)]
    outcomes = [
        Outcome(at, Candidate.of({}), "done", {"accuracy": score}, {"macs": macs})
        for at, (macs, score) in enumerate(scores)
    ]
    run = run_of(outcomes, budgets=[{"macs": [None, 25]}, {"macs": [None, 50]}])
    first, second = (draw_progress(run, budget) for budget in (0, 1))
    assert (first.title, second.title) == ("Best score so far, budget 1", "Best score so far, budget 2")
    assert dict(first.legend)["trial"] == "2 trials"
    assert ">90 %</text>" in second.svg
    assert ">90 %</text>" not in first.svg
