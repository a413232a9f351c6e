"""Products with activations or parameters: matrix products, and convolutions called as functions."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from kdsearch.tracing.calls import Call
from kdsearch.tracing.labels import Label, along, lay, no_units, varying
from kdsearch.tracing.meeting import meet_unlabelled
from kdsearch.tracing.unlabelled import alias_of


@dataclass(frozen=True, slots=True)
class Factor:
    """One factor of a matrix product: the units of its outer and of its summed dimension, None where it has none."""

    tensor: Tensor
    outer_dim: int
    outer: Label
    inner: Label


def refuse(call: Call, *, reason: str = "") -> None:
    """Freezes what the operator was given, and counts its MACs."""
    call.refuse(reason=reason)
    call.scene.add_macs(call.macs)


def product(call: Call) -> None:
    """Matrix products tie what they sum over; rows and columns keep their units."""
    first, second = [tensor for tensor in call.inputs if tensor.ndim >= 2][-2:]
    left, right = _factor(call, first, -2, -1), _factor(call, second, -1, -2)
    if any(
        any(dim < label.ndim - 2 for dim in varying(label))
        for label in (call.label(first), call.label(second))
        if label is not None
    ):
        refuse(call)
        return
    left, right = _through_parameter(call, left, right), _through_parameter(call, right, left)
    if left.outer is not None and right.outer is not None:
        refuse(call, reason=f"channels are multiplied with channels as a matrix: {call.place}")
        return
    inner = _sum(call, left, right)
    outer = left if left.outer is not None else right
    label = lay(outer.outer, outer.outer_dim, first.ndim)
    call.give(label)
    if label is not None and call.name in ("addmm", "baddbmm"):
        _meet_bias(call, call.inputs[0], label)
    call.scene.add_macs(call.macs, outer.outer, inner)


def _factor(call: Call, tensor: Tensor, outer_dim: int, inner_dim: int) -> Factor:
    label = call.label(tensor)
    if label is None:
        return Factor(tensor, outer_dim, None, None)
    outer = along(label, outer_dim) if label.shape[outer_dim] > 1 else None
    return Factor(tensor, outer_dim, outer, along(label, inner_dim) if label.shape[inner_dim] > 1 else None)


def _through_parameter(call: Call, factor: Factor, other: Factor) -> Factor:
    """A factor that is a parameter sums over what the other one gives, and gives off units of its own."""
    alias = alias_of(call, factor.tensor)
    if alias is None or other.inner is None or factor.inner is not None or factor.outer is not None:
        return factor
    name, dims = alias
    inner_dim = dims[-3 - factor.outer_dim]
    outer_dim = dims[factor.outer_dim]
    if inner_dim is None or sum(dim is not None for dim in dims) > 2:
        return factor
    call.scene.ledger.arrive((name, inner_dim), other.inner)
    leaving = None
    if outer_dim is not None:
        leaving = call.scene.ledger.leave((name, outer_dim), factor.tensor.shape[factor.outer_dim])
    return Factor(factor.tensor, factor.outer_dim, leaving, other.inner)


def _sum(call: Call, left: Factor, right: Factor) -> Label:
    """Ties what is summed over; the units by whose number the MACs grow."""
    if left.inner is not None and right.inner is not None:
        call.scene.ledger.tie(left.inner, right.inner)
    elif left.inner is not None:
        meet_unlabelled(call, right.tensor, lay(left.inner, right.tensor.ndim - 2, right.tensor.ndim))
    elif right.inner is not None:
        meet_unlabelled(call, left.tensor, lay(right.inner, left.tensor.ndim - 1, left.tensor.ndim))
    return left.inner if left.inner is not None else right.inner


def _meet_bias(call: Call, bias: Tensor, label: Tensor) -> None:
    own = call.label(bias)
    if own is None:
        meet_unlabelled(call, bias, label)
    else:
        call.scene.ledger.tie(label, own.reshape([1] * (label.ndim - own.ndim) + list(own.shape)))


def convolve(call: Call) -> None:
    """A convolution called as a function: one filter for each channel passes units, whatever the filters are.

    Any other one needs a weight that is a parameter as it stands; the units then go as through a layer. The number of
    groups is the net's own affair: each group narrows alike.
    """
    source, weight = call.args[0], call.args[1]
    units = along(call.label(source), 1)
    name, groups = call.scene.name(weight), int(call.given("groups"))
    is_transposed = bool(call.given("transposed"))
    if units is None or len(units) != source.shape[1]:
        refuse(call)
    elif groups == source.shape[1] and not is_transposed:
        leaving = units.repeat_interleave(call.outputs[0].shape[1] // groups)
        if name is not None:
            call.scene.ledger.arrive((name, 0), leaving)
        _give_channels(call, leaving, None)
    elif name is None or (is_transposed and groups > 1):
        refuse(call, reason=f"its weights are not a parameter as it stands: {call.place}" if name is None else "")
    else:
        _give_channels(call, *_through_weight(call, name, units))


def _through_weight(call: Call, name: str, units: Tensor) -> tuple[Label, Tensor]:
    weight, groups = call.args[1], int(call.given("groups"))
    first, second = (1, 0) if call.given("transposed") else (0, 1)
    leaving = call.scene.ledger.leave((name, first), weight.shape[first])
    arriving = units[: len(units) // groups]
    call.scene.ledger.arrive((name, second), arriving)
    for vector in (units, leaving):
        if groups > 1 and vector is not None:
            rows = vector.reshape(groups, -1)
            call.scene.ledger.pair(rows[:1].expand_as(rows), rows)
    return leaving, arriving


def _give_channels(call: Call, leaving: Label, arriving: Label) -> None:
    label = lay(leaving, 1, call.outputs[0].ndim)
    bias = call.args[2]
    if isinstance(bias, Tensor) and leaving is not None:
        own = call.label(bias)
        call.scene.ledger.tie(leaving, no_units(1) if own is None else own.reshape(-1))
    call.give(label)
    call.scene.add_macs(call.macs, leaving, arriving)
