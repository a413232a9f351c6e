# ruff: noqa: ARG005 - every operation is handed the net and both of its tensors
"""Products: what is summed over is tied, rows and columns keep their units, and MACs are counted."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from tests.tracing.following import follow

FIRST, OTHER = [1, 2, 3, 4], [5, 6, 7, 8]


def parameter(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.ones(*shape))


def free(found, units) -> bool:
    return [found.reason(unit) for unit in units] == [None] * len(units)


def test_a_weight_that_is_a_parameter_reads_the_channels_and_gives_off_its_own():
    found = follow(
        lambda net, a, b: F.linear(a.mean((2, 3)), net.weight, net.bias), weight=parameter(6, 4), bias=parameter(6)
    )
    leaving = found.recorder.ports[("weight", 0)].tolist()
    assert found.label() == leaving
    assert len(leaving) == 6
    assert found.recorder.ports[("weight", 1)].tolist() == FIRST
    bias = found.recorder.ports[("bias", 0)].tolist()
    assert all(found.tied(*pair) for pair in zip(leaving, bias, strict=True))
    assert free(found, FIRST + leaving)


def test_its_macs_grow_with_both():
    found = follow(lambda net, a, b: a.mean((2, 3)) @ net.weight, weight=parameter(4, 6))
    last = found.tracer.terms[-1]
    assert (last.coefficient, len(last.first), len(last.second)) == (1, 6, 4)


def test_channels_that_are_summed_over_together_are_tied():
    found = follow(lambda net, a, b: torch.bmm(a.flatten(2).transpose(1, 2), b.flatten(2)))
    assert found.label() is None
    assert all(found.tied(*pair) for pair in zip(FIRST, OTHER, strict=True))
    assert free(found, FIRST)


def test_rows_keep_their_channels():
    found = follow(lambda net, a, b: torch.bmm(a.flatten(2), torch.ones(1, 4, 3)))
    assert found.label() == FIRST
    assert free(found, FIRST)


def test_channels_times_channels_as_a_matrix_are_kept():
    found = follow(lambda net, a, b: torch.bmm(a.flatten(2), b.flatten(2).transpose(1, 2)))
    for unit in FIRST + OTHER:
        assert "channels are multiplied with channels as a matrix" in found.reason(unit)


def test_a_convolution_called_as_a_function_goes_through_its_parameter():
    found = follow(lambda net, a, b: F.conv2d(a, net.weight), weight=parameter(3, 4, 1, 1))
    assert found.label() == found.recorder.ports[("weight", 0)].tolist()
    assert found.recorder.ports[("weight", 1)].tolist() == FIRST


def test_one_filter_a_channel_lets_channels_pass_whatever_the_filters_are():
    found = follow(lambda net, a, b: F.conv2d(a, torch.ones(4, 1, 1, 1), groups=4))
    assert found.label() == FIRST
    assert free(found, FIRST)


def test_filters_that_were_computed_keep_the_channels():
    found = follow(lambda net, a, b: F.conv2d(a, net.weight * 2), weight=parameter(3, 4, 1, 1))
    assert all("its weights are not a parameter as it stands" in found.reason(unit) for unit in FIRST)
