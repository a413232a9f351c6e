# ruff: noqa: ARG005 - every operation is handed the net and both of its tensors
"""Values that are written into a tensor bring their units."""

from __future__ import annotations

import torch

from tests.tracing.following import follow

FIRST, OTHER = [1, 2, 3, 4], [5, 6, 7, 8]


def written(into, source):
    into.copy_(source)
    return into


def written_part(into, part, source):
    into[part] = source
    return into


def test_a_whole_tensor_takes_the_units_of_what_is_copied_into_it():
    found = follow(lambda net, a, b: written(torch.zeros(1, 4, 2, 2), a))
    assert found.label() == FIRST


def test_channels_written_into_a_part_of_others_are_tied_to_their_places():
    found = follow(lambda net, a, b: written_part(a.clone(), (slice(None), slice(1, 3)), b[:, :2]))
    assert found.label() == FIRST
    assert found.tied(2, 5)
    assert found.tied(3, 6)
    assert not found.tied(1, 2)


def test_rows_that_are_overwritten_leave_the_channels_alone():
    found = follow(lambda net, a, b: written_part(a.clone(), (slice(None), slice(None), 0), 0.0))
    assert found.label() == FIRST
    assert [found.reason(unit) for unit in FIRST] == [None] * 4


def test_channels_written_into_an_empty_tensor_give_it_units_of_its_own_there():
    found = follow(lambda net, a, b: written_part(torch.zeros(1, 6, 2, 2), (slice(None), slice(0, 4)), a))
    label = found.label()
    assert len(label) == 6
    assert all(found.tied(*pair) for pair in zip(label[:4], FIRST, strict=True))
    assert not found.tied(label[4], label[0])
