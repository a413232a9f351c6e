from __future__ import annotations

import numpy as np
import pytest
import torch

from kdsearch.losses.rows import centred_unit_rows, gram, unit_rows, widen
from tests.losses.properties import numbers


def test_widening_keeps_float64_and_brings_the_rest_to_float32():
    kinds = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    assert [widen(torch.ones(2, dtype=kind)).dtype for kind in kinds] == [torch.float32] * 3 + [torch.float64]


def test_unit_rows_have_length_1_and_their_direction():
    made = unit_rows(torch.tensor([[3.0, 4.0], [0.0, -2.0]]))
    assert torch.allclose(made, torch.tensor([[0.6, 0.8], [0.0, -1.0]]))


def test_a_row_of_zeros_stays_and_has_no_gradient():
    rows = torch.tensor([[0.0, 0.0], [3.0, 4.0]], requires_grad=True)
    made = unit_rows(rows)
    (made * torch.tensor([1.0, 2.0])).sum().backward()
    assert made[0].tolist() == [0, 0]
    assert rows.grad[0].tolist() == [0, 0]
    # (w - u (u.w)) / 5 of w = (1, 2), u = (0.6, 0.8)
    assert rows.grad[1].tolist() == pytest.approx([(1 - 0.6 * 2.2) / 5, (2 - 0.8 * 2.2) / 5])


def test_products_of_centred_unit_rows_are_correlations():
    rows = numbers(4, 7)
    made = gram(centred_unit_rows(rows))
    assert np.allclose(made.numpy(), np.corrcoef(rows.numpy()))


@pytest.mark.parametrize("constant", [0.1, 1e-3, 12345.678, -3e30])
def test_a_constant_row_is_no_direction_even_if_its_mean_is_rounded(constant):
    rows = torch.full((1, 1000), constant, requires_grad=True)
    made = centred_unit_rows(rows)
    made.square().sum().backward()
    assert made.abs().max() == 0
    assert rows.grad.abs().max() == 0


def test_a_small_spread_far_from_zero_is_still_a_direction():
    rows = torch.tensor([[1000.0, 1000.5, 1001.0]])
    assert centred_unit_rows(rows)[0].tolist() == pytest.approx([-(0.5**0.5), 0, 0.5**0.5])


def test_gradients_of_unit_rows_are_slopes():
    for normalised in (unit_rows, centred_unit_rows):
        assert torch.autograd.gradcheck(normalised, numbers(3, 4).requires_grad_())


def test_products_keep_their_precision_under_autocast():
    rows = numbers(3, 40, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (rows @ rows.T).dtype == torch.bfloat16
        made = gram(rows)
    assert torch.equal(made, rows @ rows.T)
