from __future__ import annotations

import statistics
from dataclasses import replace
from math import sqrt

import pytest

from kdsearch.errors import SpecError
from kdsearch.report.comparison import Entry, compare, describe, list_differing, list_nets, list_verdicts
from tests.report.conftest import UNIFORM, WINNER, make_student, run_of

STUDY = {"name": "a", "seed": 0, "limits": {"macs": ["50%"]}, "search": {"name": "random"}, "teacher": None}


def entry(
    label: str, accuracy: float, *, spread: float = 0.004, seeds: int = 3, study: dict | None = None, **parts
) -> Entry:
    """A run with a winner of this accuracy, a uniform and a random net, and 75 seconds."""
    winner = make_student("winner", WINNER, accuracy=accuracy, macs=70_000_000, seeds=seeds)
    winner["spread"] = {"accuracy": spread} if seeds > 1 else {}
    rows = [winner, make_student("uniform", UNIFORM, accuracy=0.9, macs=75_000_000)]
    rows.append(make_student("random", UNIFORM, accuracy=0.8, macs=75_000_000, seeds=1))
    run = run_of(students=rows, seconds={"search": 60.0, "finish": 15.0}, versions={"torch": "2.15.0"}, **parts)
    return Entry(label, run, "classification", ("0", "1"), (study or STUDY) | {"name": label})


def test_every_net_but_random_ones_stands_in_the_row_of_its_run():
    columns, rows, roles = list_nets(compare([entry("a", 0.91), entry("b", 0.95)]))
    heads = [column.head for column in columns]
    assert heads == ["run", "net", "test accuracy", "vs a", "MACs", "parameters", "size", "latency", "time"]
    assert [row[:5] + row[-1:] for row in rows] == [
        ["a", "winner", "91.0 ± 0.4 %", "–", "70.0 M", "1 min 15 s"],
        ["", "uniform", "90.0 ± 0.4 %", "–", "75.0 M", ""],
        ["b", "winner", "95.0 ± 0.4 %", "+4.0", "70.0 M", "1 min 15 s"],
        ["", "uniform", "90.0 ± 0.4 %", "+0.0 ?", "75.0 M", ""],
    ]
    assert roles == ["winner", "uniform"] * 2


def test_nets_that_came_trained_stand_first_as_they_do_in_a_report():
    given, teacher = (
        {"id": role, "role": role, "name": "n", "metrics": {"accuracy": 0.97}} for role in ("given", "teacher")
    )
    taught = entry(
        "a", 0.91, references=[given | {"costs": {"macs": 9}}, teacher | {"costs": {}, "unmeasured": {"macs": "no"}}]
    )
    _, rows, roles = list_nets(compare([taught, entry("b", 0.95)]))
    assert roles == ["given", "teacher", "winner", "uniform", "winner", "uniform"]
    assert [row[:5] for row in rows[:2]] == [["a", "given", "97.0 %", "–", "9"], ["", "teacher", "97.0 %", "–", "–"]]
    assert [net["role"] for net in describe(compare([taught, entry("b", 0.95)]))["runs"][0]["students"]] == roles[:4]


@pytest.mark.parametrize(
    ("limit", "said"), [("parameters", "4.29 M parameters instead of 4.29 M parameters"), ("size_bytes", "17.2 MB")]
)
def test_a_verdict_names_what_the_budget_limits(limit, said):
    budgets = [{limit: [None, 1e9]}]
    (line,) = list_verdicts(compare([entry("a", 0.91, budgets=budgets), entry("b", 0.95, budgets=budgets)]))
    assert said in line
    assert "MACs" not in line


@pytest.mark.parametrize(
    ("accuracy", "word"),
    [(0.95, "ahead"), (0.87, "behind"), (0.912, "cannot be told apart")],
    ids=lambda value: str(value),
)
def test_a_winner_is_judged_by_the_interval_of_the_difference(accuracy, word):
    found = compare([entry("a", 0.91), entry("b", accuracy)])
    (said,) = list_verdicts(found)
    # Welch's t of two samples of 3 with equal deviations has 4 degrees of freedom: 2.776 at 97.5%
    half = 2.776 * sqrt(2 * 0.004**2 / 3)
    low, high = (f"{100 * (accuracy - 0.91 + sign * half):+.1f}".replace("-", "−") for sign in (-1, 1))
    gain = f"{100 * (accuracy - 0.91):+.1f}".replace("-", "−")
    assert said == (
        f"b, winner, against a, winner: {gain} points, {word} (95% interval {low} to {high}); "
        "70.0 M MACs instead of 70.0 M MACs."
    )
    told = describe(found)["runs"][1]["students"][0]["gain"]
    assert (told["over"], statistics.fmean(told["interval_95"])) == ("winner", pytest.approx(told["value"]))


def test_one_training_each_gives_no_interval_and_that_is_said():
    found = compare([entry("a", 0.91, seeds=1), entry("b", 0.95)])
    assert list_verdicts(found)[0].startswith("b, winner, against a, winner: +4.0 points, may be chance: one training")
    assert describe(found)["runs"][1]["students"][0]["gain"]["interval_95"] is None


def test_runs_on_other_images_stand_side_by_side_and_no_difference_is_taken():
    other = entry("b", 0.95)
    other = replace(other, run=replace(other.run, digest="other"))
    found = compare([entry("a", 0.91), other])
    assert list_verdicts(found) == ["b was tested on other data than a: no difference is shown."]
    assert [row[3] for row in list_nets(found)[1]] == ["–"] * 4
    told = describe(found)["runs"][1]
    assert told["same_data"] is False
    assert "gain" not in told["students"][0]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            {"task": "regression"},
            r"b: has another task than a \(regression, classification\); there is nothing to compare",
        ),
        ({"classes": ("0", "1", "2")}, r"b: has another number of classes than a \(3, 2\); "),
        ({"classes": ("1", "0")}, r"b: has other classes, or in another order, than a"),
    ],
)
def test_runs_whose_figures_mean_other_things_are_refused(change, line):
    with pytest.raises(SpecError, match=line):
        compare([entry("a", 0.91), replace(entry("b", 0.95), **change)])


def test_what_differs_in_the_studies_is_listed_key_by_key():
    changed = STUDY | {"seed": 3, "limits": {"macs": ["25%"]}, "search": {"name": "evolution", "parents": 4}}
    found = compare([entry("a", 0.91), entry("b", 0.95, study=changed), entry("c", 0.9)])
    assert list_differing(found) == [
        ("seed", ["0", "3", "0"]),
        ("limits.macs", ['["50%"]', '["25%"]', '["50%"]']),
        ("search.name", ["random", "evolution", "random"]),
        ("search.parents", ["–", "4", "–"]),
    ]
    newer = entry("d", 0.9)
    newer = replace(newer, run=replace(newer.run, versions={"torch": "2.16.0"}))
    assert list_differing(compare([entry("a", 0.91), newer])) == [("versions.torch", ["2.15.0", "2.16.0"])]
    assert list_differing(compare([entry("a", 0.91), entry("b", 0.95)])) == []
