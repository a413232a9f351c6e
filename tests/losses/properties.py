"""What every loss between a student and a teacher must have, checked on random numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]


def numbers(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def value_and_gradient(loss: Loss, student: Tensor, teacher: Tensor) -> tuple[float, Tensor]:
    student = student.detach().clone().requires_grad_()
    value = loss(student, teacher)
    (gradient,) = torch.autograd.grad(value, student)
    return value.item(), gradient


def check_zero_where_equal(loss: Loss, student: Tensor) -> None:
    value, gradient = value_and_gradient(loss, student, student.clone())
    assert value == pytest.approx(0, abs=1e-12)
    assert gradient.abs().max() < 1e-9
    assert value_and_gradient(loss, student, -student)[0] > 1e-4


def check_order_does_not_matter(loss: Loss, student: Tensor, teacher: Tensor) -> None:
    order = torch.randperm(len(student), generator=torch.Generator().manual_seed(1))
    assert loss(student[order], teacher[order]).item() == pytest.approx(loss(student, teacher).item(), rel=1e-9)


def check_batch_size_does_not_matter(loss: Loss, student: Tensor, teacher: Tensor) -> None:
    twice = loss(student.repeat_interleave(2, 0), teacher.repeat_interleave(2, 0))
    assert twice.item() == pytest.approx(loss(student, teacher).item(), rel=1e-9)


def check_gradient(loss: Loss, student: Tensor, teacher: Tensor) -> None:
    """Against differences of values; and none for the teacher."""
    assert student.dtype == torch.float64
    assert torch.autograd.gradcheck(lambda own: loss(own, teacher), student.clone().requires_grad_())
    other = teacher.clone().requires_grad_()
    own = student.clone().requires_grad_()
    loss(own, other).backward()
    assert other.grad is None


def check_full_precision(loss: Loss, student: Tensor, teacher: Tensor) -> None:
    """What comes in as bfloat16 is computed as the same numbers in float32, under autocast too."""
    own, other = student.bfloat16(), teacher.bfloat16()
    value, gradient = value_and_gradient(loss, own.float(), other.float())
    for autocast in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            got = loss(own, other)
            assert got.dtype == torch.float32
            assert got.item() == value
            rounded = value_and_gradient(loss, own, other)[1]
    assert rounded.dtype == torch.bfloat16
    assert torch.allclose(rounded.float(), gradient, rtol=1e-2, atol=1e-2 * float(gradient.abs().max()))


def check_finite(loss: Loss, student: Tensor, teacher: Tensor) -> None:
    """In bfloat16 where numbers are huge, zero, equal or constant, on either side; no gradient runs away."""
    own, other = student.bfloat16(), teacher.bfloat16()
    one_zero = own.clone()
    one_zero[0] = 0
    sharp = torch.zeros_like(own)
    sharp.view(len(own), -1)[:, 0] = 1e4
    equal_rows, constant, zero = own[:1].expand_as(own), torch.full_like(own, 0.1), torch.zeros_like(own)
    hard = (own * 1e4, one_zero, sharp, equal_rows, constant, constant * 1e4, zero)
    for case, tensor in enumerate(hard):
        for pair in ((tensor, other), (own, tensor), (tensor, tensor)):
            value, gradient = value_and_gradient(loss, *pair)
            assert math.isfinite(value), case
            assert torch.isfinite(gradient).all(), case
            assert gradient.abs().max() < 1e6, case
        assert value == pytest.approx(0, abs=1e-5), case
