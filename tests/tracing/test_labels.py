"""Labels as tensors of units."""

from __future__ import annotations

import pytest
import torch

from kdsearch.tracing.labels import aligned, along, compress, lay, no_units, spread, varying

UNITS = torch.tensor([1, 2, 3])


def test_units_lie_along_the_dimension_that_they_were_laid_on():
    label = lay(UNITS, 1, 4)
    assert label.shape == (1, 3, 1, 1)
    assert varying(label) == [1]
    assert along(label, 1).tolist() == along(label, -3).tolist() == [1, 2, 3]
    assert lay(UNITS, -1, 2).shape == (1, 3)
    assert lay(None, 0, 2) is None


def test_there_is_no_vector_where_units_lie_along_another_dimension_too():
    both = torch.tensor([[1, 2], [3, 4]])
    assert along(both, 0) is None
    assert along(lay(UNITS, 1, 2), 0) is None
    assert along(None, 0) is None
    assert along(torch.tensor(5), 0) is None


@pytest.mark.parametrize(
    ("label", "shape"),
    [
        ([[1, 2], [1, 2]], (1, 2)),
        ([[1, 1], [2, 2]], (2, 1)),
        ([[7, 7], [7, 7]], (1, 1)),
        ([[1, 2], [2, 1]], (2, 2)),
    ],
)
def test_a_compressed_label_is_wide_only_where_it_tells_units_apart(label, shape):
    whole = torch.tensor(label)
    assert compress(whole).shape == shape
    assert torch.equal(compress(whole).expand(2, 2), whole)


def test_a_label_is_spread_along_the_dimensions_asked_for():
    label = lay(UNITS, 0, 2)
    assert spread(label, (3, 4)).tolist() == [[1] * 4, [2] * 4, [3] * 4]
    assert spread(label, (3, 4), [0]).shape == (3, 1)
    assert spread(None, (2, 2)).tolist() == no_units(2, 2).tolist() == [[0, 0], [0, 0]]


def test_dimensions_are_added_in_front_as_broadcasting_does():
    assert aligned(UNITS, 3).shape == (1, 1, 3)
    assert aligned(None, 2).tolist() == [[0]]
