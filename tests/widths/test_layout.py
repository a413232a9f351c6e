"""From a gene's classes to the places that tensors keep, the sizes that modules remember, and costs."""

from __future__ import annotations

import numpy as np
import pytest

from kdsearch.cost.flops import count_costs
from tests.toys import SHAPE, half, make_toy, toy_widths


@pytest.fixture(scope="module")
def space():
    return toy_widths(make_toy())


def test_a_crop_keeps_the_first_classes_of_each_group_in_every_tensor(space):
    kept = space.kept(half(space))
    crop = space.layout.decode(kept)
    assert crop.kept == tuple(kept.tolist())
    compact = space.build(half(space))
    shapes = {name: tuple(tensor.shape) for name, tensor in compact.state_dict().items()}
    full = space.net.state_dict()
    assert {name: tuple(crop.take(name, full[name]).shape) for name in shapes} == shapes


def test_remembered_sizes_are_those_of_the_compact_net(space):
    gene = half(space)
    settings = space.layout.settings(space.build(gene), space.kept(gene))
    held = {(id(module), name): value for module, name, value in settings}
    assert held
    assert all(dict(module)[name] == value for module, name, value in settings)


def test_a_tensor_is_touched_by_the_groups_of_its_dimensions(space):
    names = [group.name for group in space.groups]
    touched = {names[at] for at in space.layout.touches("point.0.weight")}
    assert touched == {"stem.0", "point.0"}
    assert space.layout.touches("classifier.bias") == ()


@pytest.mark.parametrize("seed", range(3))
def test_costs_in_closed_form_are_those_counted_on_the_compact_net(space, seed):
    rng = np.random.default_rng(seed)
    gene = space.draw_scales(rng)
    assert space.costs(gene) == count_costs(space.build(gene), SHAPE)
