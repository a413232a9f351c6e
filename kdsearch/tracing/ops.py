"""What each operator does to channel units.

Elementwise operators tie the units that meet; operators that move data are applied to the labels; reductions drop a
dimension; products tie what they sum over. An operator that is not known freezes the units it is given: such channels
stay at full width and are named.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor

from kdsearch.tracing.calls import Call, tensors_in
from kdsearch.tracing.labels import Label, aligned, along, compress, lay, no_units, varying
from kdsearch.tracing.moves import MOVES, move
from kdsearch.tracing.units import UnitMismatchError

Rule = Callable[[Call], None]


def apply_rule(call: Call) -> None:
    """Labels what an operator made; never fails: a call that a rule cannot follow freezes its units."""
    name = call.name
    if all(call.label(tensor) is None for tensor in call.inputs):
        call.give(None)
        call.scene.add_macs(call.macs)
        return
    try:
        _rule(name, call.func)(call)
    except UnitMismatchError:
        raise
    except (RuntimeError, IndexError, ValueError, TypeError, AttributeError):
        _unknown(call)


def _rule(name: str, func: Any) -> Rule:
    if name in MOVES:
        return move
    if name in RULES:
        return RULES[name]
    return elementwise if torch.Tag.pointwise in func.tags else _unknown


def _unknown(call: Call) -> None:
    call.refuse()
    call.scene.add_macs(call.macs)


def elementwise(call: Call) -> None:
    """Ties the units that meet; the output has the units of whatever operand has some."""
    operands = [tensor for tensor in call.inputs if tensor.ndim > 0]
    label = _meet(call, operands, len(call.outputs[0].shape))
    call.give(label)


def _meet(call: Call, operands: list[Tensor], ndim: int) -> Label:
    label: Label = None
    for tensor in operands:
        own = call.label(tensor)
        if own is not None:
            label = aligned(own, ndim) if label is None else _joined(call, label, aligned(own, ndim))
    if label is None:
        return None
    for tensor in operands:
        if call.label(tensor) is None and _is_wide(tensor, label):
            call.scene.ledger.tie(label, torch.zeros_like(label))
    return label


def _joined(call: Call, first: Tensor, second: Tensor) -> Label:
    wide = set(varying(first)) | set(varying(second))
    if len(wide) > 1:
        reason = f"channels meet channels of another dimension in {call.scene.here}"
        call.scene.ledger.freeze(first.reshape(-1), reason)
        call.scene.ledger.freeze(second.reshape(-1), reason)
        return first if len(varying(first)) == 1 else None
    call.scene.ledger.tie(first, second)
    return first if varying(first) else second


def _is_wide(tensor: Tensor, label: Tensor) -> bool:
    """Whether a tensor without units has a fixed size along a dimension in which ``label`` has units."""
    shape = [1] * (label.ndim - tensor.ndim) + list(tensor.shape)
    return any(shape[dim] > 1 for dim in varying(label))


def keep(call: Call) -> None:
    """The output has the same elements in the same places."""
    call.give(call.label(call.inputs[0]))


def pool(call: Call) -> None:
    """Each channel for itself: labels pass where the dimension they lie on keeps its size."""
    source = call.inputs[0]
    label = call.label(source)
    shape = call.outputs[0].shape
    if label is None:
        call.refuse()
    elif len(shape) == source.ndim and all(shape[dim] == source.shape[dim] for dim in varying(label)):
        call.give(label)
    else:
        call.refuse()


def reduce(call: Call) -> None:
    """The reduced dimensions lose their units."""
    source = call.inputs[0]
    label = call.label(source)
    given = call.given("dim")
    dims = range(source.ndim) if given is None or given == [] else given if isinstance(given, list) else [given]
    reduced = sorted({dim % source.ndim for dim in dims}) if source.ndim else []
    if label is None or any(dim in reduced for dim in varying(label)):
        call.give(None)
        return
    if not call.given("keepdim"):
        for dim in reversed(reduced):
            label = label.squeeze(dim)
    call.give(label)


def product(call: Call) -> None:
    """Matrix products tie what they sum over; rows and columns keep their units."""
    first, second = [tensor for tensor in call.inputs if tensor.ndim >= 2][-2:]
    left, right = call.label(first), call.label(second)
    batch = [label for label in (left, right) if label is not None and any(d < label.ndim - 2 for d in varying(label))]
    rows, inner_left = along(left, -2), along(left, -1)
    inner_right, columns = along(right, -2), along(right, -1)
    rows, inner_left = _pick(left, -2, rows), _pick(left, -1, inner_left)
    inner_right, columns = _pick(right, -2, inner_right), _pick(right, -1, columns)
    if batch or (rows is not None and columns is not None):
        _unknown(call)
        return
    count = first.shape[-1]
    if inner_left is not None or inner_right is not None:
        zeros = no_units(count)
        call.scene.ledger.tie(
            zeros if inner_left is None else inner_left, zeros if inner_right is None else inner_right
        )
    label = lay(rows, -2, first.ndim) if rows is not None else lay(columns, -1, first.ndim)
    outer = rows if rows is not None else columns
    call.give(label)
    _tie_bias(call, label)
    call.scene.add_macs(call.macs, outer, inner_left if inner_left is not None else inner_right)


def _pick(label: Label, dim: int, units: Label) -> Label:
    """The units along a dimension if that is where the label varies."""
    return units if label is not None and label.shape[dim] > 1 else None


def _tie_bias(call: Call, label: Label) -> None:
    if call.name not in ("addmm", "baddbmm"):
        return
    bias = call.inputs[0]
    own = call.label(bias)
    if label is not None and own is not None:
        call.scene.ledger.tie(label, aligned(own, label.ndim))
    elif label is not None and _is_wide(bias, label):
        call.scene.ledger.tie(label, torch.zeros_like(label))


def convolve(call: Call) -> None:
    """A convolution called as a function: one filter for each channel passes units, whatever the filters are.

    Any other one needs a weight that is a parameter as it stands; the units then go as through a layer.
    """
    source, weight = call.args[0], call.args[1]
    units = along(call.label(source), 1)
    name = call.scene.name(weight)
    if units is None or call.given("transposed"):
        _unknown(call)
    elif call.given("groups") == source.shape[1]:
        leaving = units.repeat_interleave(call.outputs[0].shape[1] // source.shape[1])
        if name is not None:
            call.scene.ledger.arrive((name, 0), leaving)
        _give_channels(call, leaving, None)
    elif name is not None and call.given("groups") == 1:
        call.scene.ledger.arrive((name, 1), units)
        _give_channels(call, call.scene.ledger.leave((name, 0), weight.shape[0]), units)
    else:
        _unknown(call)


def _give_channels(call: Call, leaving: Label, arriving: Label) -> None:
    bias = call.args[2]
    own = call.label(bias)
    if own is not None and leaving is not None:
        call.scene.ledger.tie(leaving, own.reshape(-1))
    call.give(lay(leaving, 1, call.outputs[0].ndim))
    call.scene.add_macs(call.macs, leaving, arriving)


def normalise(call: Call) -> None:
    """Norms called as functions: their vectors have the units of the channels."""
    source = call.inputs[0]
    dim = source.ndim - 1 if "layer" in call.name or "rms" in call.name else 1
    label = call.label(source)
    units = along(label, dim)
    if label is None or units is None or "group" in call.name:
        call.refuse()
        return
    for vector in call.inputs[1:]:
        own = call.label(vector)
        call.scene.ledger.tie(units, torch.zeros_like(units) if own is None else own.reshape(-1))
    call.give(None)
    call.scene.set(call.outputs[0], label)


def copy(call: Call) -> None:
    """Writing into a whole tensor hands units over; writing into a part of one freezes them."""
    target, source = call.args[0], call.args[1]
    label = call.label(source)
    if target._is_view() or (label is not None and prod(target.shape) != prod(source.shape)):
        call.refuse(source, reason=f"written into a part of a tensor in {call.scene.here}")
        return
    call.scene.set(target, None if label is None else aligned(label, target.ndim))


def make_like(call: Call) -> None:
    """A new tensor of the same size: it has the units whose number gives its size."""
    source = next(tensors_in(call.args))
    label = call.label(source)
    call.give(None if label is None or call.outputs[0].ndim != label.ndim else compress(label))


RULES: dict[str, Rule] = {
    **dict.fromkeys(("clone", "detach", "alias", "_to_copy", "lift_fresh", "native_dropout", "contiguous"), keep),
    **dict.fromkeys(("_softmax", "softmax", "_log_softmax", "log_softmax", "cumsum", "cumprod", "hardswish"), keep),
    **dict.fromkeys(("zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like"), make_like),
    **dict.fromkeys(("mean", "sum", "amax", "amin", "norm", "linalg_vector_norm", "var", "std", "prod"), reduce),
    **dict.fromkeys(("max", "min", "var_mean", "std_mean", "logsumexp", "argmax", "argmin", "any", "all"), reduce),
    **dict.fromkeys(("mm", "addmm", "bmm", "baddbmm"), product),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d", "avg_pool3d", "max_pool2d_with_indices", "max_pool2d"), pool),
    **dict.fromkeys(("_adaptive_avg_pool2d", "adaptive_avg_pool2d", "_adaptive_avg_pool3d"), pool),
    **dict.fromkeys(("adaptive_max_pool2d", "adaptive_avg_pool1d", "mkldnn_max_pool2d"), pool),
    **dict.fromkeys(("upsample_nearest2d", "upsample_bilinear2d", "upsample_bicubic2d", "grid_sampler_2d"), pool),
    **dict.fromkeys(("_upsample_nearest_exact2d", "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa"), pool),
    **dict.fromkeys(("reflection_pad2d", "replication_pad2d", "reflection_pad1d", "replication_pad1d"), pool),
    **dict.fromkeys(("native_batch_norm", "_native_batch_norm_legit_no_training", "cudnn_batch_norm"), normalise),
    **dict.fromkeys(("native_layer_norm", "native_group_norm", "_fused_rms_norm"), normalise),
    "convolution": convolve,
    "copy": copy,
}
