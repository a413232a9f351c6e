"""What a study would cost, before it runs."""

from __future__ import annotations

import pytest

from kdsearch.errors import DataError
from kdsearch.forecast import dry_run
from kdsearch.planning import plan
from kdsearch.records import RunPaths
from tests.tiny import tiny_spec

pytestmark = pytest.mark.timeout(60)


def test_it_counts_nets_and_hours(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = dry_run(tiny_spec("limits.macs=[25%, 50%]"))
    widths = plan(tiny_spec(), RunPaths(tmp_path)).ctx.widths
    assert found["full"] == widths.costs(widths.full)
    assert found["smallest"] == widths.costs(widths.smallest)
    assert [round(budget["macs"][1] / found["full"]["macs"], 6) for budget in found["budgets"]] == [0.25, 0.5]
    assert found["evaluations"] == 10
    hours = dict(found["hours"])
    assert hours.pop("total") == pytest.approx(sum(hours.values()))
    assert all(value > 0 for value in hours.values())
    assert found["data"] == "as the study says"
    assert list(tmp_path.iterdir()) == []


def test_minutes_bound_the_search():
    assert dry_run(tiny_spec("budget={trials: 1000000, minutes: 3}"))["hours"]["search"] == pytest.approx(0.05)


def test_a_strategy_that_trains_candidates_is_forecast_too():
    sets = ("strategy={name: scratch, epochs: 4, batch_size: 50}", "budget.trials=100")
    assert dry_run(tiny_spec(*sets))["hours"]["prepare"] == 0


def test_data_that_are_not_there_are_stood_in_for(tmp_path):
    task = f"task={{name: classification, npz: {tmp_path / 'none.npz'}, image_size: 16, train_images: 5000}}"
    assert dry_run(tiny_spec(task))["data"].startswith("5,000 random images stand in: ")
    (tmp_path / "bad.npz").write_text("no archive")
    with pytest.raises(DataError, match=r"bad\.npz"):
        dry_run(tiny_spec(task.replace("none.npz", "bad.npz")))
    with pytest.raises(DataError, match=r"none\.npz"):
        dry_run(tiny_spec(task.replace("image_size: 16, ", "")))
