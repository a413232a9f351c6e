# ruff: noqa: ARG005 - every operation is handed the net and both of its tensors
"""Moved elements take their units along."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tests.tracing.following import follow


@pytest.mark.parametrize(
    ("operator", "units"),
    [
        (lambda net, a, b: a.flip(1), [4, 3, 2, 1]),
        (lambda net, a, b: a[:, 1:3], [2, 3]),
        (lambda net, a, b: a.flatten(2).transpose(1, 2), [1, 2, 3, 4]),
        (lambda net, a, b: torch.cat((b, a), 1), [5, 6, 7, 8, 1, 2, 3, 4]),
        (lambda net, a, b: torch.cat((a, torch.ones(1, 2, 2, 2)), 1), [1, 2, 3, 4, 9, 10]),
        (lambda net, a, b: a.repeat(1, 2, 1, 1), [1, 2, 3, 4] * 2),
        (lambda net, a, b: a.repeat_interleave(2, dim=1), [1, 1, 2, 2, 3, 3, 4, 4]),
        (lambda net, a, b: F.channel_shuffle(a, 2), [1, 3, 2, 4]),
        (lambda net, a, b: a.view(1, 4, 4)[:, :, 0], [1, 2, 3, 4]),
        (lambda net, a, b: a.roll(1, dims=2), [1, 2, 3, 4]),
        (lambda net, a, b: F.pad(a, (1, 0, 0, 1)), [1, 2, 3, 4]),
    ],
)
def test_the_label_goes_where_the_elements_go(operator, units):
    assert follow(operator).label() == units


@pytest.mark.parametrize(
    ("operator", "said"),
    [
        (lambda net, a, b: a.roll(1, dims=1), "shifts channels by a fixed number: roll in the net"),
        (lambda net, a, b: a[:, torch.tensor([2, 0, 1, 3])], "picks channels by their numbers"),
        (lambda net, a, b: a.index_select(1, torch.tensor([0])), "picks channels by their numbers: index_select"),
    ],
)
def test_channels_that_are_named_by_number_all_stay(operator, said):
    found = follow(operator)
    assert found.label() is None
    assert all(said in found.reason(unit) for unit in (1, 2, 3, 4))
    assert found.reason(5) is None


def test_one_channel_that_is_picked_stays_and_the_others_may_go():
    found = follow(lambda net, a, b: a[:, 1])
    assert "picks channels by their numbers" in found.reason(2)
    assert [found.reason(unit) for unit in (1, 3, 4)] == [None] * 3


def test_pieces_of_one_size_are_tied_place_by_place_and_remembered():
    found = follow(lambda net, a, b: a.split([2, 2], 1))
    assert [found.label(piece) for piece in found.output] == [[1, 2], [3, 4]]
    assert found.tied(1, 3)
    assert found.tied(2, 4)
    assert not found.tied(1, 2)
    assert (2, 2) in found.tracer.splits[""]


def test_every_second_channel_goes_with_the_one_before_it():
    found = follow(lambda net, a, b: a[:, ::2])
    assert found.label() == [1, 3]
    assert found.tied(1, 2)
    assert found.tied(3, 4)
    assert not found.tied(1, 3)


def test_of_channels_split_into_rows_the_constant_number_stays():
    found = follow(lambda net, a, b: a.reshape(1, 2, -1, 2, 2))
    assert found.tied(1, 3)
    assert not found.tied(1, 2)
