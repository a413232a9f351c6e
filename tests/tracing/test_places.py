# ruff: noqa: ARG005 - every operation is handed the net and both of its tensors
"""Operators along dimensions of their own: channels beside them pass."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tests.tracing.following import follow

FIRST = [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("operator", "units"),
    [
        (lambda net, a, b: a.mean((2, 3)), FIRST),
        (lambda net, a, b: a.sum(0), FIRST),
        (lambda net, a, b: a.amax(3, keepdim=True), FIRST),
        (lambda net, a, b: a.softmax(2), FIRST),
        (lambda net, a, b: F.max_pool2d(a, 2), FIRST),
        (lambda net, a, b: F.interpolate(a, scale_factor=2), FIRST),
        (lambda net, a, b: a.cumsum(3), FIRST),
        (lambda net, a, b: F.unfold(a, 2), [unit for unit in FIRST for _ in range(4)]),
        (lambda net, a, b: F.fold(F.unfold(a, 2), (2, 2), 2), FIRST),
        (lambda net, a, b: F.instance_norm(a), FIRST),
    ],
)
def test_channels_pass_beside_the_dimensions_worked_along(operator, units):
    found = follow(operator)
    assert found.label() == units
    assert [found.reason(unit) for unit in FIRST] == [None] * 4


def test_channels_that_are_summed_away_are_gone_and_free():
    found = follow(lambda net, a, b: a.sum(1))
    assert found.label() is None
    assert [found.reason(unit) for unit in FIRST] == [None] * 4


def test_sorting_the_channels_keeps_them_all():
    found = follow(lambda net, a, b: a.sort(1).values)
    assert found.label() is None
    assert all("sort" in found.reason(unit) for unit in FIRST)


def test_a_norm_called_as_a_function_ties_its_vectors_to_the_channels():
    vector = torch.nn.Parameter(torch.ones(4))
    found = follow(lambda net, a, b: F.batch_norm(a, torch.zeros(4), torch.ones(4), net.gain), gain=vector)
    assert found.label() == FIRST
    gain = found.recorder.ports[("gain", 0)].tolist()
    assert all(found.tied(unit, own) for unit, own in zip(FIRST, gain, strict=True))


def test_groups_of_a_norm_stay_equal():
    found = follow(lambda net, a, b: F.group_norm(a, 2))
    assert found.label() == FIRST
    assert found.tied(1, 3)
    assert not found.tied(1, 2)
