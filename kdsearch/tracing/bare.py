"""Shapes of the operators that tensors without values go through most, without PyTorch's slow way to find them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    if not args or not _is_bare(args[0]):
        return NotImplemented
    if name.endswith("_") and name[:-1] in _SHAPED and not name.startswith("_"):
        return NotImplemented if _SHAPED[name[:-1]](args) is NotImplemented else args[0]
    return _SHAPED[name](args) if name in _SHAPED else NotImplemented


def _is_bare(given: Any) -> bool:
    """Whether it is a tensor without values, or several of them."""
    if isinstance(given, Tensor):
        return given.device.type == "meta"
    return isinstance(given, list | tuple) and bool(given) and all(isinstance(t, Tensor) and t.is_meta for t in given)


def _new(like: Tensor, shape: Sequence[int]) -> Tensor:
    return torch.empty(shape, dtype=like.dtype, device="meta")


def _same(args: tuple[Any, ...]) -> Any:
    return _new(args[0], args[0].shape) if args[0].is_contiguous() else torch.empty_like(args[0])


def _normalised(args: tuple[Any, ...]) -> Any:
    vectors = [vector for vector in args[1:5] if isinstance(vector, Tensor)]
    if any(vector.numel() != args[0].shape[1] for vector in vectors):
        return NotImplemented
    empty = _new(args[0], (0,))
    return _same(args), empty, empty


def _joined(args: tuple[Any, ...]) -> Any:
    first, second = args[0], args[1]
    if not isinstance(second, Tensor):
        return _same(args) if first.is_floating_point() else NotImplemented
    if first.dtype != second.dtype or second.device != first.device:
        return NotImplemented
    pairs = list(zip_longest(reversed(first.shape), reversed(second.shape), fillvalue=1))
    if any(a != b and 1 not in (a, b) for a, b in pairs):
        return NotImplemented
    return _new(first, [b if a == 1 else a for a, b in reversed(pairs)])


def _averaged(args: tuple[Any, ...]) -> Any:
    if len(args) < 2 or not isinstance(args[1], list | tuple) or not args[1] or not args[0].is_floating_point():
        return NotImplemented
    source = args[0]
    dims = {dim % source.ndim for dim in args[1]}
    keeps = len(args) > 2 and args[2]
    return _new(source, [1 if d in dims else size for d, size in enumerate(source.shape) if keeps or d not in dims])


def _multiplied(args: tuple[Any, ...]) -> Any:
    bias, first, second = args
    if first.shape[1] != second.shape[0] or bias.shape != second.shape[1:]:
        return NotImplemented
    return _new(first, (first.shape[0], second.shape[1]))


def _convolved(args: tuple[Any, ...]) -> Any:
    image, weight, bias, stride, padding, dilation, is_transposed, _, groups = args
    fits = image.ndim == weight.ndim and image.shape[1] == weight.shape[1] * groups and weight.shape[0] % groups == 0
    fits = fits and (bias is None or bias.shape == weight.shape[:1]) and image.dtype == weight.dtype
    if is_transposed or not fits or not image.is_contiguous():
        return NotImplemented
    count = image.ndim - 2
    each = (list(given) * (count if len(given) == 1 else 1) for given in (stride, padding, dilation))
    rows = zip(image.shape[2:], weight.shape[2:], *each, strict=True)
    sides = [(side + 2 * pad - far * (kernel - 1) - 1) // step + 1 for side, kernel, step, pad, far in rows]
    return _new(image, (image.shape[0], weight.shape[0], *sides)) if min(sides) > 0 else NotImplemented


def _concatenated(args: tuple[Any, ...]) -> Any:
    pieces, dim = args[0], args[1] if len(args) > 1 else 0
    first = pieces[0]
    if any(piece.ndim != first.ndim or piece.dtype != first.dtype or not piece.is_contiguous() for piece in pieces):
        return NotImplemented
    dim %= first.ndim
    shapes = {(*piece.shape[:dim], *piece.shape[dim + 1 :]) for piece in pieces}
    length = sum(piece.shape[dim] for piece in pieces)
    return _new(first, (*first.shape[:dim], length, *first.shape[dim + 1 :])) if len(shapes) == 1 else NotImplemented


_SHAPED: dict[str, Callable[[tuple[Any, ...]], Any]] = {
    **dict.fromkeys(_NORMS, _normalised),
    **dict.fromkeys(_SAME, _same),
    **dict.fromkeys(("add", "sub", "mul"), _joined),
    "mean": _averaged,
    "addmm": _multiplied,
    "convolution": _convolved,
    "cat": _concatenated,
}
