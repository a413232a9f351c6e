from __future__ import annotations

import pytest

from kdsearch.candidates.space import Candidate
from kdsearch.records import Outcome
from kdsearch.report.figures import (
    draw_figures,
    draw_final_curves,
    draw_preparation,
    draw_progress,
    draw_trials,
    draw_widths,
    find_budget,
    find_fence,
    find_front,
)
from kdsearch.report.reading import read_run


def test_the_front_holds_the_points_that_nothing_beats():
    points = [(1.0, 0.5), (2.0, 0.4), (3.0, 0.7), (3.0, 0.6), (4.0, 0.7), (0.5, 0.1)]
    assert find_front(points) == [(0.5, 0.1), (1.0, 0.5), (3.0, 0.7)]


def test_every_chart_is_drawn_for_a_finished_run(summary, outcomes):
    figures = draw_figures(read_run(summary, outcomes))
    assert len(figures) == 6
    assert all(figure.svg and not figure.note for figure in figures)


def test_every_chart_of_a_run_without_anything_is_a_sentence():
    figures = draw_figures(read_run({"schema": 1, "name": "x"}, ()))
    assert figures
    assert all(figure.note.endswith(".") and not figure.svg for figure in figures)


def test_each_layer_says_how_many_of_its_channels_are_kept(summary):
    svg = draw_widths(read_run(summary, ()), 0).svg
    assert "conv1: 48 of 64 channels" in svg
    assert "conv8: 208 of 512 channels" in svg


def test_failed_trials_are_not_drawn(summary, outcomes):
    svg = draw_trials(read_run(summary, outcomes)).svg
    assert sum(outcome.state == "failed" for outcome in outcomes) == 1
    # 120 trials, each once as a dot, and the winner and the uniform net on top of theirs
    assert svg.count('class="trial"') == 120
    assert svg.count('class="winner"') == svg.count('class="uniform"') == 1


def test_thousands_of_trials_still_give_a_small_page(summary, outcomes):
    many = [Outcome(at, outcomes[3].candidate, "done", {"accuracy": 0.5}, {"macs": 7e7}) for at in range(5000)]
    assert len(draw_trials(read_run(summary, many)).svg) < 500_000


@pytest.mark.parametrize(("macs", "budget"), [(10, 0), (25, 0), (26, 1), (50, 1), (80, 1)])
def test_a_trial_belongs_to_the_tightest_budget_that_it_fits(macs, budget):
    run = read_run({"budgets": [{"macs": [20, 25]}, {"macs": [40, 50]}]}, ())
    assert find_budget(run, Outcome(0, Candidate.of({}), "done", {"accuracy": 0.5}, {"macs": macs})) == budget


def test_each_budget_has_its_own_best_so_far():
    scores = [(10, 0.5), (40, 0.9), (10, 0.6), (40, 0.8)]
    outcomes = [
        Outcome(at, Candidate.of({}), "done", {"accuracy": score}, {"macs": macs})
        for at, (macs, score) in enumerate(scores)
    ]
    figure = draw_progress(read_run({"budgets": [{"macs": [None, 25]}, {"macs": [None, 50]}]}, outcomes))
    assert [name for _, name in figure.legend] == ["best so far, budget 1", "best so far, budget 2", "4 trials"]


def test_the_loss_is_drawn_where_no_accuracy_was_measured(summary):
    assert ">loss</text>" in draw_preparation(read_run(summary, ())).svg


def test_an_accuracy_that_was_measured_once_gives_way_to_one_of_every_epoch(summary):
    for row in summary["students"]:
        for epoch in row["history"][:-1]:
            del epoch["validation_accuracy"]
    assert ">train accuracy</text>" in draw_final_curves(read_run(summary, ())).svg


def ranked(scores: list[float]) -> list[Outcome]:
    return [
        Outcome(at, Candidate.of({"a": at}), "done", {"accuracy": 0.5, "score": score}, {"macs": 10 + at})
        for at, score in enumerate(scores)
    ]


@pytest.mark.parametrize("draw", [draw_trials, draw_progress])
def test_trials_are_drawn_by_what_ranks_them(draw):
    run = read_run({}, ranked([-1.25, -1.125, -1.2, -1.15]))
    assert run.by_likelihood
    assert "log-likelihood of the validation labels, nats" in draw(run).svg
    by_accuracy = read_run({}, [Outcome(0, Candidate.of({}), "done", {"accuracy": 0.5}, {"macs": 1})])
    assert "accuracy on validation images" in draw(by_accuracy).svg


def test_a_dot_tells_accuracy_and_likelihood():
    figure = draw_trials(read_run({}, ranked([-1.25, -1.125, -1.2, -1.15])))
    assert "trial 1: 50.00 % (−1.125 nats), 11" in figure.svg


@pytest.mark.parametrize("draw", [draw_trials, draw_progress])
def test_an_outlier_lies_on_the_edge_and_is_counted(draw):
    scores = [-1.2 + 0.01 * at for at in range(20)]
    figure = draw(read_run({}, ranked([*scores, -90.0, -80.0])))
    assert "-80" not in figure.svg.replace("(-80.000 nats)", "")
    assert "−1.2" in figure.svg
    assert ("trial", "22 trials, 2 of them below the edge") in figure.legend


def test_the_fence_spares_what_is_not_far_out():
    assert find_fence([3.0]) == 3
    assert find_fence([1.0, 2.0, 3.0, 4.0]) == 1
    assert find_fence([0.0, 0.0, 0.0, 0.0, 0.0]) == 0
    assert find_fence([-1000.0, *range(10)]) > -50


def test_a_trial_whose_merit_is_no_number_is_not_drawn():
    figure = draw_trials(read_run({}, ranked([-1.2, float("nan"), -1.1])))
    assert figure.legend[0] == ("trial", "2 trials")


def test_the_curves_of_a_second_budget_are_dashed():
    def net(number: int) -> dict:
        history = [{"epoch": epoch, "validation_accuracy": 0.1 * epoch} for epoch in (1, 2)]
        return {"id": f"winner-{number}", "role": "winner", "lineage": {"budget": number}, "history": history}

    figure = draw_final_curves(read_run({"students": [net(0), net(1)]}, []))
    assert figure.legend == (("winner", "winner-0"), ("winner dashed", "winner-1 (dashed)"))
    assert 'class="line winner dashed"' in figure.svg
