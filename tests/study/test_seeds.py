"""Every seed that a study trains with, from its first candidate to its last student."""

from __future__ import annotations

import json

import numpy as np
import pytest

import kdsearch.training.initialise
from kdsearch.records import Outcome, Trial
from kdsearch.study.final_trainings import train_here
from kdsearch.study.finalists import choose_winners
from kdsearch.study.finishing import list_entrants
from kdsearch.study.seeds import finalist_seed, student_seeds
from tests.toys import toy_study

pytestmark = pytest.mark.timeout(60)  # the first trace of a process takes seconds
SHORT = "epochs: 1, batch_size: 24"
STRATEGIES = {
    "scratch": f"strategy={{name: scratch, {SHORT}}}",
    "kd": f"strategy={{name: kd, {SHORT}}}",
    "cckd": f"strategy={{name: cckd, {SHORT}, sampler: {{name: uniform}}}}",
    "metapruning": f"strategy={{name: metapruning, {SHORT}, pretrain_epochs: 1, calibration_images: 48}}",
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_no_student_is_trained_with_a_seed_that_chose_it(tmp_path, monkeypatch, name):
    taught = ("teacher={card: teachers/resnet20_mnist5k.yaml}",) if name in ("kd", "cckd") else ()
    rounds = (*taught, "finish.finalists=[3, 2]", "finish.finalist_epochs=[1, 2]", "finish.seeds=2")
    study = toy_study(tmp_path, STRATEGIES[name], f"finish={{name: scratch, {SHORT}}}", *rounds)
    drawn, rng = [], np.random.default_rng(0)
    initialise = kdsearch.training.initialise.initialise
    monkeypatch.setattr(
        kdsearch.training.initialise, "initialise", lambda net, seed: (drawn.append(seed), initialise(net, seed))[1]
    )
    study.strategy.prepare(study.ctx)
    genes = [study.ctx.draw(0, rng) for _ in range(3)]
    told = [
        Outcome(at, gene, "done", study.strategy.score(study.ctx, Trial(at, gene)), {"macs": 1})
        for at, gene in enumerate(genes)
    ]
    searched = {study.ctx.seed, *drawn}
    assert bool(drawn) == (name != "metapruning")

    def train(trainings, note) -> None:
        for training in trainings:
            train_here(study, training)

    drawn.clear()
    winners, tried = choose_winners(study, told, train)
    assert {each.round for each in tried} == {1, 2}
    chosen = searched | set(drawn)
    drawn.clear()
    entrants = list_entrants(study, winners)
    train([training for entrant in entrants for training in entrant.trainings()], "")
    assert len(set(drawn)) == 2
    assert not set(drawn) & chosen
    written = {json.loads(path.read_text())["seed"] for path in (tmp_path / "checkpoints/finish").glob("*.json")}
    assert written == set(drawn) | (chosen - searched)


@pytest.mark.parametrize("study_seed", [0, 999, 1000, 2000, 2**32 - 1])
@pytest.mark.parametrize("count", [1, 3, 100, 5000])
def test_the_three_kinds_of_seed_never_meet_in_one_study(study_seed, count):
    seeds = student_seeds(study_seed, count)
    assert len(set(seeds)) == count
    assert not {study_seed, finalist_seed(study_seed)} & set(seeds)
    assert study_seed != finalist_seed(study_seed)
