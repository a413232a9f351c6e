"""The table of results."""

from __future__ import annotations

import pytest

from kdsearch.bench.results import run, tabulate
from kdsearch.errors import StoreError
from kdsearch.records import RunPaths
from kdsearch.rundir.store import write_summary


def student(role, accuracy, budget, spread=None):
    return {
        "role": role,
        "budget": budget,
        "metrics": {"accuracy": accuracy},
        "spread": {} if spread is None else {"accuracy": spread},
        "costs": {"macs": 100},
    }


SUMMARY = {
    "schema": 1,
    "name": "toy",
    "net": "lenet5",
    "seconds": {"search": 60.4, "finish": 60.0},
    "proxy": {"ratio": 0.8},
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


def test_runs_are_read_from_their_summaries(tmp_path):
    (tmp_path / "toy").mkdir()
    write_summary(RunPaths(tmp_path / "toy"), SUMMARY)
    assert [row["study"] for row in run(folder=str(tmp_path))["rows"]] == ["toy", "toy"]


def test_a_folder_without_runs_is_said_to_be_one(tmp_path):
    with pytest.raises(StoreError, match="no finished run"):
        run(folder=str(tmp_path))
