from __future__ import annotations

import pytest

from kdsearch.records import Outcome
from kdsearch.report.reading import read_run
from kdsearch.spec.metric import LIKELIHOOD
from tests.report.conftest import TASK, UNIFORM, blank, make_finalist, run_of


def test_a_net_has_what_its_row_says(summary):
    winner = read_run(summary, ()).find("winner", 0)
    assert (winner.figure, winner.spread, winner.seeds, winner.budget) == (0.913, 0.004, 3, 0)
    first = winner.layers[0]
    assert (first.name, first.full, first.kept) == ("conv1", 64, 48)
    assert winner.cost("latency_ms") == pytest.approx(0.4 + 4.1 * 74.6 / 150)
    assert winner.origin == "crossover of 80 and 7"


def test_classes_have_their_names_beside_their_figures(summary):
    about = {"accuracy": [0.5] * 9 + [None], "images": [4] * 9 + [0]}
    summary["students"][0]["details"] = {"per_class": about, "confusion": [[1] * 10] * 10}
    classes = read_run(summary, ()).find("winner", 0).classes
    assert (classes[3].name, classes[3].images, classes[3].accuracy, sum(classes[3].answers)) == ("3", 4, 0.5, 10)
    assert classes[9].accuracy is None
    del summary["students"][0]["details"]["confusion"]
    assert read_run(summary, ()).find("winner", 0).classes[0].answers == ()


def test_a_finalists_figure_stands_under_the_name_of_the_tasks_metric():
    row = make_finalist(1, UNIFORM, "x", 3, 0) | {"validation_mae": 0.25}
    (finalist,) = run_of(task=TASK | {"metric": {"name": "mae", "better": "lower"}}, finalists=[row]).finalists
    assert (finalist.figure, finalist.merit) == (0.25, -0.25)


def test_trials_are_counted_from_the_ledger_until_the_run_has_ended(outcomes):
    assert (run_of(outcomes, state="running").trials, run_of(outcomes, state="running").failed) == (121, 1)
    ended = run_of(outcomes, trials={"done": 7, "failed": 2, "cached": 0})
    assert (ended.trials, ended.failed) == (9, 2)


def test_what_ranks_is_the_score_where_there_is_one_and_else_the_tasks_metric():
    assert run_of().ranking.name == "accuracy"
    assert run_of(ranked_by=LIKELIHOOD.describe()).ranking == LIKELIHOOD


def test_a_trial_that_failed_or_has_no_number_is_not_done():
    rows = [
        Outcome(at, None, state, {"accuracy": figure}) for at, state, figure in ((0, "done", 0.5), (1, "failed", 0))
    ]
    assert [each.number for each in run_of([*rows, Outcome(2, None, "done", {"accuracy": float("nan")})]).done] == [0]


def test_a_run_from_which_nothing_came_has_no_parts():
    run = read_run(blank(), ())
    assert (run.nets, run.references, run.budgets, run.finalists, run.teacher, run.full) == ((), (), (), (), None, None)
    assert run.judgement.verdict == "unknown"
