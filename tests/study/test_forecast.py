"""What a study would cost, before it runs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from kdsearch.errors import DataError, SpecError
from kdsearch.executors.process import Process
from kdsearch.executors.serial import Serial
from kdsearch.models.checkpoints import load_weights
from kdsearch.models.zoo import make_net
from kdsearch.records import RunPaths
from kdsearch.spec.teacher_card import read_card, shipped_cards
from kdsearch.strategies.scratch import Scratch
from kdsearch.study.forecast import _seconds, dry_run, side_by_side
from kdsearch.study.planning import plan
from tests.tiny import tiny_spec
from tests.toys import toy_study

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
    assert found["data"] == "mnist5k: 200 training and 500 validation images of 10 classes"
    assert found["executor"] == "serial: everything in one process"
    assert list(tmp_path.iterdir()) == []


def test_minutes_bound_the_search():
    assert dry_run(tiny_spec("budget={trials: 1000000, minutes: 3}"))["hours"]["search"] == pytest.approx(0.05)


def test_a_strategy_that_trains_candidates_is_forecast_too():
    sets = ("strategy={name: scratch, epochs: 4, batch_size: 50}", "budget.trials=100")
    assert dry_run(tiny_spec(*sets))["hours"]["prepare"] == 0


def test_data_that_are_not_there_are_stood_in_for(tmp_path):
    task = f"task={{name: classification, npz: {tmp_path / 'none.npz'}, image_size: 16, train_images: 5000}}"
    assert dry_run(tiny_spec(task))["data"].startswith("5,000 random images stand in, also for the forecast: ")
    (tmp_path / "bad.npz").write_text("no archive")
    with pytest.raises(DataError, match=r"bad\.npz"):
        dry_run(tiny_spec(task.replace("none.npz", "bad.npz")))
    with pytest.raises(DataError, match=r"none\.npz"):
        dry_run(tiny_spec(task.replace("image_size: 16, ", "")))


def test_pieces_of_work_go_to_the_first_worker_that_is_free():
    assert side_by_side([3, 1, 1, 1, 4], 1) == 10
    assert side_by_side([3, 1, 1, 1, 4], 2) == 7  # one worker takes 3 and 4, the other 1, 1, 1
    assert side_by_side([2, 2, 2], 8) == 2
    assert side_by_side([], 2) == 0


class Known(Scratch):
    """A strategy that knows how long it takes."""

    def rehearse(self, ctx, steps):  # noqa: ARG002
        return {"prepare": 7.0, "score": 3.0}


def test_workers_share_the_search_and_not_what_comes_before_it(tmp_path):
    study = toy_study(tmp_path, "budget={trials: 10}", "search={name: random}")
    study = replace(study, strategy=Known(study.finish.options))
    seconds = _seconds(study, Process(Process.Options(workers=4, threads=1)))
    assert (seconds["prepare"], seconds["search"]) == (7.0, 9.0)  # 4, 4 and 2 at a time
    assert _seconds(study, Serial(Serial.Options()))["search"] == 30.0


def test_the_forecast_says_on_how_many_workers():
    shared = dry_run(tiny_spec("executor={name: process, workers: 4, threads: 1}"))
    assert shared["executor"] == "process: search and finish on 4 workers (torch threads of each: 1)"


def test_a_teacher_passed_as_a_module_is_asked_for_its_time_and_left_as_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KDSEARCH_CACHE", str(tmp_path / "cache"))
    card = read_card(shipped_cards()["lenet5_mnist5k.yaml"])
    teacher = make_net(card.net.made_of(), num_classes=10, in_channels=1)
    load_weights(teacher, card.weights)
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    sets = ("student={net: lenet5}", f"teacher={{net: given, mean: {card.mean[0]}, std: {card.std[0]}}}")
    sets += ("strategy={name: kd, epochs: 2}",)
    hours = dry_run(tiny_spec(*sets), teacher=teacher)["hours"]
    assert hours["search"] > 0
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    with pytest.raises(SpecError, match=r"teacher\.net: given stands for a module that is passed"):
        dry_run(tiny_spec(*sets))
