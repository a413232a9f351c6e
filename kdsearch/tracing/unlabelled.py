"""What operators make of tensors without units: where they stay constant, and which still are a parameter."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from kdsearch.tracing.calls import Call
from kdsearch.tracing.labels import lay
from kdsearch.tracing.traits import Alias

MAKERS = frozenset(
    (
        "zeros", "ones", "full", "empty", "new_zeros", "new_ones", "new_full", "new_empty", "new_empty_strided",
        "empty_strided", "zeros_like", "ones_like", "full_like", "empty_like", "scalar_tensor", "fill", "zero",
    )
)  # fmt: skip
_SAME = frozenset(("clone", "detach", "alias", "_to_copy", "lift_fresh"))
_RESHAPED = frozenset(("view", "_unsafe_view", "reshape", "unsqueeze", "squeeze", "expand", "_reshape_alias"))
_PERMUTED = frozenset(("permute", "transpose", "t"))


def carry(call: Call) -> None:
    """Notes what is known of the outputs of an operator whose inputs carry no units."""
    call.give(None)
    if not call.outputs:
        return
    output = call.outputs[0]
    if call.name == "embedding":
        _look_up(call)
    elif call.name in MAKERS:
        make_blank(call)
    else:
        _carry_alias(call)
        _carry_blank(call, output)


def make_blank(call: Call) -> None:
    """A new tensor of one value: constant along every dimension."""
    output = call.outputs[0]
    if call.func._schema.is_mutable and output._is_view():
        return
    call.scene.traits.set_blank(output, range(output.ndim), call.place)


def _look_up(call: Call) -> None:
    """Rows of a table that is a parameter as it stands: each has the units of the table's columns."""
    table, output = call.args[0], call.outputs[0]
    name = call.scene.name(table)
    if name is not None and table.ndim == 2:
        call.scene.set(output, lay(call.scene.ledger.leave((name, 1), table.shape[1]), -1, output.ndim))


def _carry_blank(call: Call, output: Tensor) -> None:
    traits = call.scene.traits
    sources = [tensor for tensor in call.inputs if tensor.ndim]
    if torch.Tag.pointwise in call.func.tags and not call.func._schema.is_mutable:
        dims = [
            dim for dim in range(output.ndim) if all(_is_even(call, tensor, dim - output.ndim) for tensor in sources)
        ]
        traits.set_blank(output, dims, call.place)
        return
    if not sources or not (call.name in _SAME or call.name in ("expand", "repeat", *_RESHAPED, *_PERMUTED)):
        return
    source = sources[0]
    known = traits.blank(source)
    # not output._is_view(): PyTorch marks views only after the operator has been seen
    shared = None if call.name in ("clone", "_to_copy", "repeat") else known
    if call.name in ("expand", "repeat", *_SAME):
        ahead = output.ndim - source.ndim
        dims = [dim for dim in range(output.ndim) if dim < ahead or _is_even(call, source, dim - output.ndim)]
        traits.set_blank(output, dims, call.place, shared)
    elif known is not None and known.dims == {dim for dim, size in enumerate(source.shape) if size > 1}:
        traits.set_blank(output, range(output.ndim), call.place, shared)


def _is_even(call: Call, tensor: Tensor, dim: int) -> bool:
    """Whether a tensor is the same everywhere along a dimension, counted from the last."""
    if -dim > tensor.ndim or tensor.shape[dim] == 1:
        return True
    known = call.scene.traits.blank(tensor)
    return known is not None and dim + tensor.ndim in known.dims


def _carry_alias(call: Call) -> None:
    if not call.args or not isinstance(call.args[0], Tensor):
        return
    source, output = call.args[0], call.outputs[0]
    alias = alias_of(call, source)
    if alias is None:
        return
    name, dims = alias
    if call.name in _SAME:
        call.scene.traits.set_alias(output, alias)
    elif call.name in _PERMUTED:
        order = _order(call, source.ndim)
        call.scene.traits.set_alias(output, (name, tuple(dims[at] for at in order)))
    elif call.name in _RESHAPED and _wide(source) == _wide(output):
        left = [dim for dim, size in zip(dims, source.shape, strict=True) if size > 1]
        call.scene.traits.set_alias(output, (name, tuple(left.pop(0) if size > 1 else None for size in output.shape)))
    elif call.name == "view_as_complex":
        call.scene.traits.set_alias(output, (name, dims[:-1]))


def alias_of(call: Call, tensor: Any) -> Alias | None:
    """The parameter or buffer that a tensor is, with the order of its dimensions; None for any other."""
    if not isinstance(tensor, Tensor):
        return None
    name = call.scene.name(tensor)
    return (name, tuple(range(tensor.ndim))) if name is not None else call.scene.traits.alias(tensor)


def _order(call: Call, ndim: int) -> list[int]:
    if call.name == "permute":
        return [dim % ndim for dim in call.args[1]]
    order = list(range(ndim))
    first, second = (0, 1) if call.name == "t" else (call.args[1] % ndim, call.args[2] % ndim)
    if ndim > 1:
        order[first], order[second] = order[second], order[first]
    return order


def _wide(tensor: Tensor) -> list[int]:
    return [size for size in tensor.shape if size > 1]
