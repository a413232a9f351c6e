"""The table of results."""

from __future__ import annotations

import pytest

from kdsearch.bench.results import run, tabulate
from kdsearch.errors import StoreError
from kdsearch.records import RunPaths
from kdsearch.rundir.store import write_summary
from tests.report.conftest import FULL, TASK, WINNER, blank, make_student


def student(role, accuracy, budget, spread=None, seeds=3):
    count = 1 if spread is None else seeds
    made = make_student(
        role, WINNER if role == "winner" else FULL, accuracy=accuracy, macs=100, seeds=count, budget=budget
    )
    return made | {"spread": {} if spread is None else {"accuracy": spread}}


SUMMARY = blank(name="toy", net="lenet5", seconds={"search": 60.4, "finish": 60.0}) | {
    "proxy": {"verdict": "trusted", "ratio": 0.8, "advice": []},
    "students": [
        student("winner", 0.75, 0, 0.01),
        student("uniform", 0.72, 0, 0.02),
        student("random", 0.70, 0),
        student("random", 0.71, 0),
        student("winner", 0.60, 1),
        student("full", 0.90, None),
    ],
}


def test_gain_is_winner_less_uniform_in_points_and_random_nets_are_averaged():
    first, second = tabulate(SUMMARY)
    assert first["gain"] == 3.0
    assert (first["winner"], first["uniform"], first["full"]) == ("75.00 +- 1.00", "72.00 +- 2.00", "90.00")
    assert (first["random"], first["best_random"], first["seconds"]) == (70.5, 71.0, 120)
    assert (second["winner"], second["uniform"], second["gain"], second["random"]) == ("60.00", None, None, None)


def judged(spread: float | None, seeds: int = 3) -> dict:
    students = [student("winner", 0.75, 0, spread, seeds), student("uniform", 0.72, 0, spread, seeds)]
    (row,) = tabulate(SUMMARY | {"students": students})
    return row


@pytest.mark.parametrize(
    ("spread", "interval", "word"),
    [
        (0.005, "95% interval +1.87 to +4.13", "yes"),  # 2.776 sqrt(2 / 3) 0.005 = 0.01133 to either side
        (0.02, "95% interval −1.53 to +7.53", "unclear"),
        (None, "none: one training each", "unclear"),
    ],
)
def test_a_gain_stands_beside_its_interval_and_the_word_that_this_allows(spread, interval, word):
    row = judged(spread)
    assert (row["gain"], row["interval"], row["worth_it"]) == (3.0, interval, word)
    assert row["grounds"].endswith(".")


def test_without_a_uniform_net_there_is_neither_gain_nor_interval_and_the_word_says_so():
    second = tabulate(SUMMARY)[1]
    assert (second["gain"], second["interval"], second["worth_it"]) == (None, None, "unknown")


def test_an_error_is_better_when_it_is_lower():
    metric = {"name": "error", "better": "lower"}
    rows = [student("winner", 0, 0, 0), student("uniform", 0, 0, 0), student("random", 0, 0), student("random", 0, 0)]
    for row, error in zip(rows, (1.0, 1.5, 1.75, 2.0), strict=True):
        row["metrics"], row["spread"] = {"error": error}, {"error": 0.1} if row["spread"] else {}
    (row,) = tabulate(SUMMARY | {"task": TASK | {"metric": metric}, "students": rows})
    assert (row["winner"], row["gain"], row["best_random"], row["worth_it"]) == ("1.00 +- 0.10", 0.5, 1.75, "yes")


def test_runs_are_read_from_their_summaries(tmp_path):
    (tmp_path / "toy").mkdir()
    write_summary(RunPaths(tmp_path / "toy"), SUMMARY)
    assert [row["study"] for row in run(folder=str(tmp_path))["rows"]] == ["toy", "toy"]


def test_a_folder_without_runs_is_said_to_be_one(tmp_path):
    with pytest.raises(StoreError, match="no finished run"):
        run(folder=str(tmp_path))
