"""Winners, controls, and the one reading of the test part."""

from __future__ import annotations

import statistics
from dataclasses import replace

import pytest
import torch

from kdsearch.candidates.space import Candidate, Window
from kdsearch.errors import StoreError
from kdsearch.records import Outcome, Training
from kdsearch.study.final_trainings import train_here
from kdsearch.study.finishing import collect, digest, list_entrants, rank
from kdsearch.study.trained import read_record, trained_net
from tests.toys import half, toy_study

pytestmark = pytest.mark.timeout(30)  # the first trace of a process takes seconds


def outcome(number: int, gene: Candidate, accuracy: float, macs: float = 1, state: str = "done") -> Outcome:
    return Outcome(number, gene, state, {"accuracy": accuracy} if state == "done" else {}, {"macs": macs})


def some(at: int) -> Candidate:
    return Candidate.of({"a": at})


def test_ranked_are_the_done_inside_the_limit_best_and_earliest_first():
    told = [
        outcome(0, some(0), 0.5),
        outcome(1, some(1), 0.9, macs=11),
        outcome(2, some(2), 0.9, state="failed"),
        outcome(3, some(3), 0.7),
        outcome(4, some(4), 0.5, macs=10),
    ]
    assert [each.number for each in rank(told, (Window("macs", None, 10),))] == [3, 0, 4]
    assert [each.number for each in rank(told, (Window("macs", 9, 10),))] == [4, 3, 0]  # 3 and 0 are of another budget


@pytest.mark.parametrize("mark", ["dropped", "pruned"])
def test_a_trial_that_was_given_up_on_its_way_is_no_finalist(mark):
    given_up = replace(outcome(0, some(0), 0.9), metrics={"accuracy": 0.9, mark: 1.0})
    told = [given_up, outcome(1, some(1), 0.5), outcome(2, some(2), 0.6)]
    assert [each.number for each in rank(told, (Window("macs", None, 10),))] == [2, 1]


def train_all(study):
    def run(trainings, note) -> None:
        for training in trainings:
            train_here(study, training)

    return run


def test_controls_share_recipe_seeds_and_costs(tmp_path):
    study = toy_study(tmp_path, "finish.seeds=3", "finish.controls={uniform: true, full: true, random: 2}")
    winner = half(study.ctx.widths)
    entrants = {entrant.id: entrant for entrant in list_entrants(study, [winner])}
    assert list(entrants) == ["winner", "uniform", "random-0", "random-1", "full"]
    assert entrants["winner"].seeds == entrants["uniform"].seeds == (2000, 2001, 2002)
    assert entrants["full"].seeds == (2000, 2001, 2002)
    assert entrants["random-0"].seeds == (2000,)
    (window,) = study.ctx.budgets[0]
    for name in ("random-0", "random-1"):
        assert window.miss(study.ctx.widths.costs(entrants[name].candidate)) == 0
    assert entrants["random-0"].candidate != entrants["random-1"].candidate
    again = list_entrants(toy_study(tmp_path, "finish.controls.random=2"), [winner])
    assert [entrant.candidate for entrant in again if entrant.role == "random"] == [
        entrants[f"random-{at}"].candidate for at in (0, 1)
    ]


def test_weights_are_inherited_by_any_recipe_and_the_winner_is_trained_from_fresh_ones_beside(tmp_path):
    learning = "{name: metapruning, start: inherited, epochs: 1, batch_size: 24, learning_rate: 1e-9, warmup_epochs: 0}"
    controls = "finish.controls={uniform: true, full: false, scratch: true}"
    study = toy_study(tmp_path, f"finish={learning}", controls, "strategy.check_genes=2")
    study.strategy.prepare(study.ctx)
    entrants = list_entrants(study, [half(study.ctx.widths)])
    assert [(entrant.role, entrant.start) for entrant in entrants] == [
        ("winner", "inherited"),
        ("uniform", "inherited"),
        ("scratch", "scratch"),
    ]
    train_all(study)([training for entrant in entrants for training in entrant.trainings()], "")
    students = {student.role: student for student in collect(study, entrants)}
    assert {role: student.lineage["start"] for role, student in students.items()}["scratch"] == "scratch"
    winner, _, scratch = (trained_net(study, each.candidate, each.trainings()[0].name) for each in entrants)
    started = study.strategy.start(study.ctx, entrants[0].candidate).state_dict()
    moved = [
        max(float((net.state_dict()[name] - started[name]).abs().max()) for name, _ in net.named_parameters())
        for net in (winner, scratch)
    ]
    assert moved[0] < 1e-6 < 1e-3 < moved[1]


def test_a_finished_training_is_not_repeated_and_a_lost_file_is(tmp_path):
    study = toy_study(tmp_path)
    training = Training("net", half(study.ctx.widths), 0)
    steps: list = []
    train_here(study, training, steps.append)
    record = tmp_path / "checkpoints/finish/net.json"
    weights = record.with_suffix(".safetensors")
    before, content = len(steps), weights.read_bytes()
    assert before > 0
    train_here(study, training, steps.append)
    assert len(steps) == before
    weights.unlink()
    train_here(study, training, steps.append)
    assert weights.read_bytes() == content
    assert not list(record.parent.glob("*.pt"))
    record.write_text("{")
    with pytest.raises(StoreError, match=r"net\.json: cannot be read .* delete it and resume"):
        read_record(study, "net")


def test_students_have_means_over_seeds_and_the_best_seed_is_exported(tmp_path):
    study = toy_study(tmp_path, "finish.seeds=2", "finish.controls={uniform: false, full: false}")
    entrants = list_entrants(study, [half(study.ctx.widths)])
    train_all(study)([training for entrant in entrants for training in entrant.trainings()], "")
    (student,) = collect(study, entrants)
    names = [training.name for training in entrants[0].trainings()]
    nets = [trained_net(study, student.candidate, name) for name in names]
    tested = [study.task.evaluate(net, "test", device=study.ctx.device)["accuracy"] for net in nets]
    assert student.metrics["accuracy"] == pytest.approx(statistics.fmean(tested))
    assert student.spread["accuracy"] == pytest.approx(statistics.stdev(tested))
    validated = [read_record(study, name)["metrics"]["accuracy"] for name in names]
    assert student.lineage["exported_seed"] == entrants[0].seeds[max(range(2), key=lambda at: (validated[at], -at))]
    assert not all(torch.equal(a, b) for a, b in zip(nets[0].parameters(), nets[1].parameters(), strict=True))


def test_the_digest_tells_genes_apart_and_forgets_their_origin():
    assert digest(some(1)) == digest(replace(some(1), origin="mutation"))
    assert digest(some(1)) != digest(some(2))
