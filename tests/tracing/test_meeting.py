# ruff: noqa: ARG005 - every operation is handed the net and both of its tensors
"""Units that meet are tied; what has none must fit them."""

from __future__ import annotations

import torch
from torch import nn

from tests.tracing.following import follow

FIRST, OTHER = [1, 2, 3, 4], [5, 6, 7, 8]


def test_units_that_are_added_are_tied_place_by_place():
    found = follow(lambda net, a, b: a + b)
    assert found.label() == FIRST
    assert all(found.tied(*pair) for pair in zip(FIRST, OTHER, strict=True))
    assert not found.tied(1, 2)


def test_a_parameter_in_the_channels_shape_follows_them():
    found = follow(lambda net, a, b: a * net.gain, gain=nn.Parameter(torch.ones(4, 1, 1)))
    gain = found.recorder.ports[("gain", 0)].tolist()
    assert all(found.tied(*pair) for pair in zip(FIRST, gain, strict=True))
    assert [found.reason(unit) for unit in FIRST] == [None] * 4


def test_a_parameter_with_a_number_for_all_channels_ties_nothing():
    found = follow(lambda net, a, b: a * net.gain, gain=nn.Parameter(torch.ones(1)))
    assert found.label() == FIRST
    assert not found.tied(1, 2)


def test_numbers_of_a_fixed_size_keep_the_channels_that_they_meet():
    found = follow(lambda net, a, b: a * torch.arange(4.0).view(4, 1, 1))
    assert all("meets a tensor of fixed size: mul in the net" in found.reason(unit) for unit in FIRST)


def test_a_constant_fits_any_number_of_channels():
    found = follow(lambda net, a, b: a + torch.ones(4, 1, 1))
    assert found.label() == FIRST
    assert [found.reason(unit) for unit in FIRST] == [None] * 4


def test_channels_that_meet_rows_are_kept_with_the_reason():
    found = follow(lambda net, a, b: a.flatten(2) + b.flatten(2).transpose(1, 2))
    for unit in FIRST + OTHER:
        assert "channels meet channels of another dimension" in found.reason(unit)
