"""Shapes of the operators that tensors without values go through most, without PyTorch's slow way to find them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_SAME = frozenset(
    ("relu", "hardtanh", "silu", "gelu", "sigmoid", "hardswish", "hardsigmoid", "leaky_relu", "elu", "mish", "tanh")
)
_NORMS = frozenset(("native_batch_norm", "_native_batch_norm_legit_no_training"))


def bare_result(func: Any, args: tuple[Any, ...]) -> Any:
    """What the operator gives on tensors without values; NotImplemented where PyTorch has to say.

    PyTorch runs these as compositions of Python functions, a hundred times slower than the operator itself.
    """
    name = str(func._schema.name).split("::")[-1]
    if not args or not isinstance(args[0], Tensor) or args[0].device.type != "meta":
        return NotImplemented
    if name in _NORMS:
        empty = args[0].new_empty(0)
        return torch.empty_like(args[0]), empty, empty
    if name.removesuffix("_") in _SAME:
        return args[0] if name.endswith("_") else torch.empty_like(args[0])
    if name in ("add", "add_", "mul", "mul_") and _same_shapes(args[:2]):
        return args[0] if name.endswith("_") else torch.empty_like(args[0])
    return NotImplemented


def _same_shapes(pair: tuple[Any, ...]) -> bool:
    first, second = pair
    return isinstance(second, Tensor) and first.shape == second.shape and first.dtype == second.dtype
