from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from kdsearch.bench.base_ground_truth import Setup, make_world, train_alone
from kdsearch.bench.base_proxies import Effort, Proxy, ProxyTrial
from kdsearch.bench.ranking import GENERATORS, describe_truth, proxies, run
from kdsearch.spec.sections import StudentOptions
from kdsearch.strategies.metapruning import MetaPruning

pytestmark = [pytest.mark.medium, pytest.mark.timeout(120)]
DEFAULT = MetaPruning.Options()
USUAL = Proxy(DEFAULT.generator, DEFAULT.init, DEFAULT.sampling)
SMALL = Setup(
    student=StudentOptions(net="lenet5", divisor=1),
    train_images=128,
    validation_share=0.1,
    share=0.3,
    genes=3,
    seeds=2,
    recipe=Setup().recipe.model_copy(update={"epochs": 2}),
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KDSEARCH_CACHE", str(tmp_path))


def test_the_table_has_every_generator_and_every_choice_of_the_default_one():
    labels = [proxy.label for proxy in proxies()]
    assert {proxy.generator for proxy in proxies()} == set(GENERATORS)
    assert USUAL.label in labels
    assert len(set(labels)) == len(labels) == 8


def test_a_quick_run_measures_what_a_full_one_does():
    rows = []
    measured = run(quick=True, chosen=[USUAL, Proxy("slim", trained=False)], on_row=rows.append)
    assert np.array(measured["accuracies"]).shape == (2, 4)
    assert [row["tau"] for row in measured["proxies"]] == [row["tau"] for row in rows[-2:]]
    trained, untrained = measured["proxies"]
    assert (trained["steps"], untrained["steps"]) == (2, 0)
    for row in (trained, untrained):
        assert row["interval"][0] <= row["tau"] <= row["interval"][1]
        assert row["regret"] >= 0
        assert len(row["scores"]) == measured["genes"] == 4
    assert measured["tau"] == trained["tau"]


def test_genes_differ_and_lie_in_the_band():
    world = make_world(SMALL)
    budget = 0.3 * world.widths.costs(world.widths.full)["macs"]
    macs = [world.widths.costs(gene)["macs"] for gene in world.genes]
    assert len(set(world.genes)) == 3
    assert all(0.97 * budget <= each <= 1.03 * budget for each in macs)


def test_a_net_trained_alone_gets_the_same_accuracy_for_the_same_seed():
    recipe = SMALL.recipe.model_copy(update={"epochs": 40})
    world = make_world(dataclasses.replace(SMALL, noise=0.0, share=0.5, recipe=recipe))
    once, again = (train_alone(world, world.genes[0], 1) for _ in range(2))
    assert once == again > 0.25


def test_the_truths_figures_are_those_of_its_accuracies():
    truth_SN = np.array([[0.5, 0.6, 0.8], [0.5, 0.7, 0.8]])
    found = describe_truth(make_world(SMALL), truth_SN)
    assert found["truth"]["lowest"] == 0.5
    assert found["truth"]["highest"] == 0.8
    assert found["truth"]["seed_sd"] == pytest.approx((0.005 / 3) ** 0.5, abs=1e-4)
    assert found["ceiling"]["between_seeds"] == found["ceiling"]["one_against_rest"] == 1


def test_sandwich_steps_are_a_quarter_as_many():
    world = make_world(SMALL)
    trial = ProxyTrial(world, Effort(epochs=8, pretrain_epochs=1))
    truth_N = np.array([0.1, 0.2, 0.3])
    assert trial.row(Proxy("slim", "scratch"), truth_N)["steps"] == 16
    assert trial.row(Proxy("slim", "scratch", "sandwich"), truth_N)["steps"] == 4
