"""How layers with parameters pass units on."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kdsearch.tracing.labels import lay
from kdsearch.tracing.layers import (
    channel_dim,
    is_depthwise,
    is_layer,
    is_transposed,
    label_through_layer,
    splits_groups,
)
from kdsearch.tracing.units import UnitRecorder


def recorded(count: int) -> tuple[UnitRecorder, torch.Tensor]:
    recorder = UnitRecorder()
    return recorder, recorder.leave(("image", 0), count)


def test_a_convolution_reads_its_inputs_and_gives_units_of_its_own():
    recorder, units = recorded(4)
    label = lay(units, 1, 4)
    through = label_through_layer(recorder, "conv", nn.Conv2d(4, 6, 3), (label, (1, 4, 8, 8)), (1, 6, 6, 6))
    assert recorder.ports["conv:in", 0].tolist() == [1, 2, 3, 4]
    assert through.label.reshape(-1).tolist() == recorder.ports["conv:out", 0].tolist() == [5, 6, 7, 8, 9, 10]
    assert (through.units_in.tolist(), through.units_out.tolist()) == ([1, 2, 3, 4], [5, 6, 7, 8, 9, 10])


def test_macs_of_a_depthwise_convolution_grow_with_its_outputs_only():
    recorder, units = recorded(4)
    conv = nn.Conv2d(4, 4, 3, groups=4)
    through = label_through_layer(recorder, "conv", conv, (lay(units, 1, 4), (1, 4, 8, 8)), (1, 4, 6, 6))
    assert through.units_in is None
    assert len(through.units_out) == 4


@pytest.mark.parametrize(("groups", "read"), [(4, 4), (8, None)])
def test_macs_of_a_grouped_convolution_grow_with_its_inputs_where_each_group_narrows(groups, read):
    recorder, units = recorded(16)
    conv = nn.Conv2d(16, 16, 1, groups=groups)
    through = label_through_layer(recorder, "conv", conv, (lay(units, 1, 4), (1, 16, 8, 8)), (1, 16, 8, 8))
    assert (None if through.units_in is None else len(through.units_in)) == read


def test_a_norm_passes_the_units_that_it_reads():
    recorder, units = recorded(4)
    label = lay(units, 1, 4)
    through = label_through_layer(recorder, "norm", nn.BatchNorm2d(4), (label, (1, 4, 8, 8)), (1, 4, 8, 8))
    assert through.label is label
    assert recorder.ports["norm:in", 0].tolist() == [1, 2, 3, 4]
    assert ("norm:out", 0) not in recorder.ports


def test_an_input_without_units_arrives_as_places_of_fixed_size():
    recorder = UnitRecorder()
    label_through_layer(recorder, "conv", nn.Conv2d(3, 6, 1), (None, (1, 3, 8, 8)), (1, 6, 8, 8))
    assert recorder.ports["conv:in", 0].tolist() == [0, 0, 0]


def test_a_linear_layer_beside_the_channels_lets_them_pass_and_keeps_its_own():
    recorder, units = recorded(4)
    label = lay(units, 1, 3)
    through = label_through_layer(recorder, "mix", nn.Linear(9, 9), (label, (1, 4, 9)), (1, 4, 9))
    assert through.label is label
    ((kept, reason),) = recorder.frozen
    assert reason == "mix works on its channels as positions"
    assert kept.tolist() == recorder.ports["mix:out", 0].tolist()


@pytest.mark.parametrize(
    ("module", "shape", "dim"),
    [
        (nn.Linear(5, 5), (2, 3, 5), 2),
        (nn.Conv2d(5, 5, 1), (2, 5, 4, 4), 1),
        (nn.Conv1d(5, 5, 1), (5, 4), 0),
        (nn.BatchNorm1d(5), (2, 5), 1),
        (nn.LayerNorm(5), (2, 3, 5), 2),
        (nn.LayerNorm(5), (2, 5, 4, 4), 1),
    ],
)
def test_where_each_kind_of_layer_has_its_channels(module, shape, dim):
    assert channel_dim(module, None, shape) == dim


def test_a_layer_norm_whose_size_fits_twice_takes_the_dimension_that_carries_units():
    label = lay(torch.arange(1, 6), 1, 4)
    assert channel_dim(nn.LayerNorm(5), label, (2, 5, 5, 5)) == 1
    assert channel_dim(nn.LayerNorm(5), None, (2, 5, 5, 5)) == 3


def test_kinds_of_convolutions_are_told_apart():
    assert is_depthwise(nn.Conv2d(4, 8, 3, groups=4))
    assert not is_depthwise(nn.Conv2d(4, 8, 3, groups=2))
    assert splits_groups(nn.Conv2d(16, 16, 3, groups=4))  # 4 channels in each of 4 groups
    assert not splits_groups(nn.Conv2d(16, 16, 3, groups=8))
    assert is_transposed(nn.ConvTranspose2d(2, 2, 1))
    assert not is_transposed(nn.Conv2d(2, 2, 1))


def test_a_layer_holds_all_of_its_parameters_itself():
    assert is_layer(nn.Conv2d(1, 1, 1))
    assert is_layer(nn.GroupNorm(1, 2))
    assert not is_layer(nn.Sequential(nn.Conv2d(1, 1, 1)))
    assert not is_layer(nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)))
