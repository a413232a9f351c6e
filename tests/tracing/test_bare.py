"""Shapes without values are those that PyTorch itself finds."""

from __future__ import annotations

import pytest
import torch

from kdsearch.tracing.bare import bare_result

ATEN = torch.ops.aten


def bare(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.empty(*shape, device="meta", dtype=dtype)


CASES = [
    (ATEN.relu.default, (bare(2, 3, 4),)),
    (ATEN.hardtanh_.default, (bare(2, 3), 0.0, 6.0)),
    (ATEN.add.Tensor, (bare(2, 3, 1), bare(3, 5))),
    (ATEN.mul.Tensor, (bare(4, 1, 1), bare(2, 4, 3, 3))),
    (ATEN.sub.Tensor, (bare(2, 3), 1.5)),
    (ATEN.mean.dim, (bare(2, 3, 4, 5), [2, 3])),
    (ATEN.mean.dim, (bare(2, 3, 4, 5), [-1], True)),
    (ATEN.addmm.default, (bare(7), bare(2, 4), bare(4, 7))),
    (ATEN.native_batch_norm.default, (bare(2, 3, 4), bare(3), bare(3), bare(3), bare(3), False, 0.1, 1e-5)),
]


@pytest.mark.parametrize(("func", "args"), CASES)
def test_it_answers_as_pytorch_does(func, args):
    found, expected = bare_result(func, args), func(*args)
    first, wanted = (value[0] if isinstance(value, tuple) else value for value in (found, expected))
    assert first.device.type == "meta"
    assert (first.shape, first.dtype) == (wanted.shape, wanted.dtype)


@pytest.mark.parametrize(
    ("func", "args"),
    [
        (ATEN.add.Tensor, (bare(2, 3), bare(2, 4))),  # they do not broadcast
        (ATEN.add.Tensor, (bare(2, dtype=torch.int64), bare(2))),  # the type changes
        (ATEN.addmm.default, (bare(7), bare(2, 5), bare(4, 7))),
        (ATEN.mean.dim, (bare(2, 3), [])),
        (ATEN.native_batch_norm.default, (bare(2, 3, 4), bare(4), bare(3), bare(3), bare(3), False, 0.1, 1e-5)),
        (ATEN.cumsum.default, (bare(2, 3), 1)),  # an operator that is not in the table
        (ATEN.relu.default, (torch.ones(2),)),  # it has values
    ],
)
def test_what_it_does_not_know_is_left_to_pytorch(func, args):
    assert bare_result(func, args) is NotImplemented
