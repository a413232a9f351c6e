"""A step on a crop against torch's own optimiser on a tensor of that size."""

from __future__ import annotations

import pytest
import torch

from kdsearch.pruningnet.crop_descent import Descent, dense_copy, step_on_crop

SHAPE = (6, 5, 3, 3)
LEADING = (4, 2, None, None)
CHOSEN = (torch.tensor([0, 2, 5]), 4, None, None)
ROWS, COLUMNS = {"leading": range(4), "chosen": [0, 2, 5]}, {"leading": range(2), "chosen": range(4)}


@pytest.mark.parametrize("decays", [False, True])
@pytest.mark.parametrize(("kind", "index"), [("leading", LEADING), ("chosen", CHOSEN)])
def test_two_steps_are_sgds_inside_the_crop_and_nothing_outside(kind, index, decays):
    random = torch.Generator().manual_seed(0)
    full, momentum = torch.randn(SHAPE, generator=random), torch.zeros(SHAPE)
    before = full.clone()
    inside = torch.zeros(SHAPE, dtype=torch.bool)
    for row in ROWS[kind]:
        for column in COLUMNS[kind]:
            inside[row, column] = True
    plain = full[inside].clone().requires_grad_()
    optimiser = torch.optim.SGD([plain], lr=0.1, momentum=0.9, weight_decay=0.01 if decays else 0.0)
    for _ in range(2):
        gradient = torch.randn(len(ROWS[kind]), len(COLUMNS[kind]), 3, 3, generator=random)
        plain.grad = gradient.flatten().clone()
        optimiser.step()
        step_on_crop((full, momentum), index, gradient, Descent(0.1, 0.9, 0.01), decays=decays)
    torch.testing.assert_close(full[inside], plain.detach(), rtol=0, atol=1e-6)
    assert torch.equal(full[~inside], before[~inside])
    assert momentum[inside].abs().min() > 0
    assert not momentum[~inside].any()


def test_a_dense_copy_has_no_gaps_and_is_channels_last_where_there_are_four_dimensions():
    weight = torch.randn(SHAPE)[:4, :2]
    copied = dense_copy(weight)
    assert torch.equal(copied, weight)
    assert copied.is_contiguous(memory_format=torch.channels_last)
    assert copied.data_ptr() != weight.data_ptr()
    assert dense_copy(torch.randn(4, 6)[:, :2]).is_contiguous()
