# ruff: noqa: ARG005 - every operation is handed the net and both of its tensors
"""Tensors without units: where they stay constant, and which are a parameter in another shape."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.tracing.following import follow

FIRST = [1, 2, 3, 4]
GAIN = nn.Parameter(torch.arange(4.0))


@pytest.mark.parametrize(
    "reshaped",
    [
        lambda gain: gain.view(1, 4, 1, 1),
        lambda gain: gain[:, None, None],
        lambda gain: gain.unsqueeze(0).t().unsqueeze(-1),
        lambda gain: gain.detach().reshape(4, 1, 1),
    ],
)
def test_a_parameter_in_another_shape_is_still_that_parameter(reshaped):
    found = follow(lambda net, a, b: a * reshaped(net.gain), gain=GAIN)
    gain = found.recorder.ports[("gain", 0)].tolist()
    assert all(found.tied(*pair) for pair in zip(FIRST, gain, strict=True))
    assert found.reason(1) is None


def test_what_was_computed_from_a_parameter_is_of_fixed_size():
    found = follow(lambda net, a, b: a * net.gain.sort().values.view(4, 1, 1), gain=GAIN)
    assert "meets a tensor of fixed size" in found.reason(1)


@pytest.mark.parametrize(
    "constant",
    [
        lambda: torch.zeros(4, 1, 1),
        lambda: torch.full((4,), 2.0).view(4, 1, 1) + 1,
        lambda: torch.ones(1).expand(4).reshape(4, 1, 1),
        lambda: torch.empty(4, 2, 2).fill_(3),
        lambda: torch.ones(4, 1, 1).clone().exp(),
    ],
)
def test_a_constant_stays_constant_through_what_treats_all_places_alike(constant):
    found = follow(lambda net, a, b: a * constant())
    assert found.label() == FIRST
    assert [found.reason(unit) for unit in FIRST] == [None] * 4


def test_a_constant_is_none_once_a_part_of_it_was_written():
    def operator(net, a, b):
        mask = torch.ones(4, 1, 1)
        mask[1] = torch.tensor(2.0)
        return a * mask

    assert "meets a tensor of fixed size" in follow(operator).reason(1)


def test_rows_of_a_table_have_the_units_of_its_columns():
    table = nn.Embedding(3, 4)
    found = follow(lambda net, a, b: a + net.table(torch.tensor([1])).view(1, 4, 1, 1), table=table)
    columns = found.recorder.ports[("table.weight", 1)].tolist()
    assert all(found.tied(*pair) for pair in zip(FIRST, columns, strict=True))
