"""Classes that occur in the same places are one group, in the order in which layers give them off."""

from __future__ import annotations

import pytest
import torch

from kdsearch.tracing.units import UnitRecorder, classify
from kdsearch.widths.groups import group_units


def recorded(**layers: int) -> UnitRecorder:
    """Layers that give off so many units each."""
    recorder = UnitRecorder()
    for name, count in layers.items():
        recorder.leave((f"{name}:out", 0), count)
    return recorder


def grouped(recorder: UnitRecorder, counted=()):
    return group_units(recorder, classify(recorder), counted)


def test_each_free_layer_is_a_group_with_its_units_in_order():
    found = grouped(recorded(first=3, second=2))
    assert [(group.name, group.roots.tolist(), group.width) for group in found.groups] == [
        ("first", [1, 2, 3], 3),
        ("second", [4, 5], 2),
    ]


def test_layers_whose_units_are_tied_are_one_group_named_after_the_first():
    recorder = recorded(first=3, second=3)
    recorder.tie(recorder.ports["first:out", 0], recorder.ports["second:out", 0])
    (group,) = grouped(recorder).groups
    assert (group.name, group.roots.tolist()) == ("first", [1, 2, 3])


def test_units_of_a_layer_that_occur_in_different_places_are_groups_of_their_own():
    recorder = recorded(layer=4)
    recorder.arrive(("next:in", 0), torch.tensor([1, 2]))
    assert [(group.name, group.roots.tolist()) for group in grouped(recorder).groups] == [
        ("layer", [1, 2]),
        ("layer#2", [3, 4]),
    ]


def test_a_class_of_several_channels_counts_them_all():
    recorder = recorded(layer=4)
    recorder.tie(torch.tensor([1, 3]), torch.tensor([2, 4]))
    (group,) = grouped(recorder).groups
    assert (group.roots.tolist(), group.multiplicity, group.width) == ([1, 3], 2, 4)


def test_frozen_units_and_lone_classes_are_fixed_with_the_reason():
    recorder = recorded(first=2, second=2)
    recorder.freeze(torch.tensor([1, 2]), "gives the output")
    recorder.tie(torch.tensor([3]), torch.tensor([4]))
    found = grouped(recorder)
    assert found.groups == ()
    assert found.classes.reasons[1] == "gives the output"
    assert found.classes.reasons[3] == "its channels can only stay or go all together"
    assert found.group_of.tolist() == [-1] * 5


@pytest.mark.parametrize(("counted", "groups"), [([], 1), ([torch.tensor([1, 1, 2, 2, 3, 4])], 2)])
def test_classes_that_are_counted_unlike_are_not_one_group(counted, groups):
    assert len({int(at) for at in grouped(recorded(layer=4), counted).group_of if at >= 0}) == groups


def test_a_vector_says_of_each_place_its_group_and_rank():
    found = grouped(recorded(first=2, second=2))
    vector = found.vector(torch.tensor([0, 3, 4, 1, 2]))
    assert vector.group.tolist() == [-1, 1, 1, 0, 0]
    assert vector.rank.tolist() == [0, 0, 1, 0, 1]
