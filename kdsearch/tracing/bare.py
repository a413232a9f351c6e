"""Shapes of the operators that tensors without values go through most, without PyTorch's slow way to find them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor

_NORMS = ("native_batch_norm", "_native_batch_norm_legit_no_training")
_SAME = (
    "relu", "hardtanh", "silu", "gelu", "sigmoid", "hardswish", "hardsigmoid", "leaky_relu", "elu", "mish", "tanh",
)  # fmt: skip


def bare_result(func: Any, args: tuple[Any, ...]) -> Any:
    """What the operator gives on tensors without values; NotImplemented where PyTorch has to say.

    PyTorch runs these as compositions of Python functions, a hundred times slower than the operator itself, and imports
    its compiler for the first of them.
    """
    name = str(func._schema.name).split("::")[-1]
    if not args or not isinstance(args[0], Tensor) or args[0].device.type != "meta":
        return NotImplemented
    if name.endswith("_") and name[:-1] in _SHAPED and not name.startswith("_"):
        return NotImplemented if _SHAPED[name[:-1]](args) is NotImplemented else args[0]
    return _SHAPED[name](args) if name in _SHAPED else NotImplemented


def _same(args: tuple[Any, ...]) -> Any:
    return torch.empty_like(args[0])


def _normalised(args: tuple[Any, ...]) -> Any:
    vectors = [vector for vector in args[1:5] if isinstance(vector, Tensor)]
    if any(vector.numel() != args[0].shape[1] for vector in vectors):
        return NotImplemented
    empty = args[0].new_empty(0)
    return torch.empty_like(args[0]), empty, empty


def _joined(args: tuple[Any, ...]) -> Any:
    first, second = args[0], args[1]
    if not isinstance(second, Tensor):
        return torch.empty_like(first) if first.is_floating_point() else NotImplemented
    if first.dtype != second.dtype or second.device != first.device:
        return NotImplemented
    pairs = list(zip_longest(reversed(first.shape), reversed(second.shape), fillvalue=1))
    if any(a != b and 1 not in (a, b) for a, b in pairs):
        return NotImplemented
    return first.new_empty([b if a == 1 else a for a, b in reversed(pairs)])


def _averaged(args: tuple[Any, ...]) -> Any:
    if len(args) < 2 or not isinstance(args[1], list | tuple) or not args[1] or not args[0].is_floating_point():
        return NotImplemented
    source = args[0]
    dims = {dim % source.ndim for dim in args[1]}
    keeps = len(args) > 2 and args[2]
    return source.new_empty([1 if d in dims else size for d, size in enumerate(source.shape) if keeps or d not in dims])


def _multiplied(args: tuple[Any, ...]) -> Any:
    bias, first, second = args
    if first.shape[1] != second.shape[0] or bias.shape != second.shape[1:]:
        return NotImplemented
    return first.new_empty(first.shape[0], second.shape[1])


_SHAPED: dict[str, Callable[[tuple[Any, ...]], Any]] = {
    **dict.fromkeys(_NORMS, _normalised),
    **dict.fromkeys(_SAME, _same),
    **dict.fromkeys(("add", "sub", "mul"), _joined),
    "mean": _averaged,
    "addmm": _multiplied,
}
