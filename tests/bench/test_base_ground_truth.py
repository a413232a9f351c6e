"""The order that a proxy has to find: genes of equal cost, each trained alone."""

from __future__ import annotations

import dataclasses

import pytest

from kdsearch.bench.base_ground_truth import Setup, make_world, train_alone
from kdsearch.spec.sections import StudentOptions

pytestmark = [pytest.mark.medium, pytest.mark.timeout(120)]
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
