import numpy as np
import torch

from kdsearch.widths.crop import Vector, put, take


def vector(group, rank):
    return Vector.of(np.array(group), np.array(rank))


def test_a_leading_slice_is_a_number_and_a_full_dimension_is_none():
    plain = vector([0, 0, 0, 0], [0, 1, 2, 3])
    assert plain.index(np.array([2])) == 2
    assert plain.index(np.array([4])) is None


def test_interleaved_groups_keep_their_places():
    mixed = vector([0, 1, 0, 1, -1], [0, 0, 1, 1, 0])
    assert mixed.index(np.array([1, 2])).tolist() == [0, 1, 3, 4]
    assert mixed.index(np.array([1, 1])).tolist() == [0, 1, 4]


def test_a_concatenation_whose_last_part_shrinks_is_a_leading_slice():
    assert vector([0, 0, 1, 1], [0, 1, 0, 1]).index(np.array([2, 1])) == 3


def test_put_writes_where_take_read():
    full = torch.arange(24.0).reshape(4, 6)
    for index in ((2, 3), (None, torch.tensor([0, 5])), (torch.tensor([1, 3]), 2), (None, None)):
        target = torch.zeros(4, 6)
        put(target, index, take(full, index) + 1)
        assert torch.equal(take(target, index), take(full, index) + 1)
        assert int((target != 0).sum()) == take(full, index).numel()
