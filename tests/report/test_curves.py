from __future__ import annotations

from kdsearch.report.curves import draw_final_curves, draw_preparation
from kdsearch.report.reading import read_run


def test_the_loss_is_drawn_where_no_accuracy_was_measured(summary):
    assert ">loss</text>" in draw_preparation(read_run(summary, ())).svg


def test_an_accuracy_that_was_measured_once_gives_way_to_one_of_every_epoch(summary):
    for row in summary["students"]:
        for epoch in row["history"][:-1]:
            del epoch["validation_accuracy"]
    assert ">accuracy (training images)</text>" in draw_final_curves(read_run(summary, ())).svg


def test_each_budgets_trainings_have_a_chart_with_the_full_net_beside_them(summary):
    for role in ("winner", "uniform"):
        row = next(row for row in summary["students"] if row["role"] == role)
        summary["students"].append(row | {"id": f"{role}-1", "budget": 1})
    summary["budgets"] *= 2
    run = read_run(summary, ())
    assert [name for _, name in draw_final_curves(run, 0).legend] == ["winner", "uniform", "full"]
    assert {name for _, name in draw_final_curves(run, 1).legend} == {"winner-1", "uniform-1", "full"}
