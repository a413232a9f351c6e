"""Operators that work along dimensions of their own, and leave channels alone that lie along another one."""

from __future__ import annotations

from torch import Tensor

from kdsearch.tracing.calls import Call, tensors_in
from kdsearch.tracing.labels import Label, along, compress, lay, varying
from kdsearch.tracing.meeting import meet, meet_unlabelled


def keep(call: Call) -> None:
    """The output has the same elements in the same places."""
    call.give(call.label(call.inputs[0]))


def keep_first(call: Call) -> None:
    """The first output has the input's elements in the same places; the others are of no concern."""
    label = call.label(call.inputs[0])
    call.give(None)
    call.scene.set(call.outputs[0], label)


def pool(call: Call) -> None:
    """Each channel for itself: labels pass where the dimension they lie on keeps its size."""
    source = call.inputs[0]
    label = meet(call, [tensor for tensor in call.inputs if tensor.shape == source.shape], source.ndim)
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
    dims = _own_dims(call, source)
    if label is None or any(dim in dims for dim in varying(label)):
        if label is not None and len(varying(label)) == 1:
            call.watch(label.reshape(-1))
        call.give(None)
        return
    if not call.given("keepdim"):
        for dim in reversed(dims):
            label = label.squeeze(dim)
    call.give(label)


def beside(call: Call) -> None:
    """Along one dimension everything depends on everything: channels pass if they lie along another."""
    tensors = [tensor for tensor in call.inputs if tensor.ndim]
    dims = _own_dims(call, tensors[0])
    label = meet(call, tensors, tensors[0].ndim)
    if label is None or any(dim in dims for dim in varying(label)):
        call.refuse(reason=f"works along the channels: {call.place}")
        return
    call.give(label)


def beside_last_two(call: Call) -> None:
    """Rows and columns of the last two dimensions: channels pass if they lie along another."""
    label = call.label(call.inputs[0])
    if label is None or any(dim >= label.ndim - 2 for dim in varying(label)):
        call.refuse()
    else:
        call.give(label)


def _own_dims(call: Call, source: Tensor) -> list[int]:
    """The dimensions that the operator works along; all where it names none."""
    given = call.given("dim")
    dims = range(source.ndim) if given is None or given == [] else given if isinstance(given, list | tuple) else [given]
    return sorted({dim % source.ndim for dim in dims}) if source.ndim else []


def add_complex_dim(call: Call) -> None:
    """A complex tensor seen as pairs."""
    label = call.label(call.inputs[0])
    call.give(None if label is None else label.unsqueeze(-1))


def drop_complex_dim(call: Call) -> None:
    """Pairs seen as complex numbers."""
    label = call.label(call.inputs[0])
    call.give(None if label is None else compress(label.narrow(-1, 0, 1)).squeeze(-1))


def unfold_patches(call: Call) -> None:
    """``F.unfold``: each channel becomes as many as a patch has places, one after another."""
    units = _channels(call, 4)
    count = call.outputs[0].shape[1]
    if units is None:
        call.refuse()
    else:
        call.give(lay(units.repeat_interleave(count // len(units)), 1, 3))


def fold_patches(call: Call) -> None:
    """``F.fold``: the places of a patch become one channel again."""
    units = _channels(call, 3)
    channels = call.outputs[0].shape[1]
    if units is None:
        call.refuse()
        return
    rows = units.reshape(channels, -1)
    call.scene.ledger.tie(rows, rows[:, :1].expand_as(rows))
    call.give(lay(rows[:, 0], 1, 4))


def _channels(call: Call, ndim: int) -> Label:
    source = call.inputs[0]
    return along(call.label(source), 1) if source.ndim == ndim else None


def normalise(call: Call) -> None:
    """Norms called as functions: their vectors have the units of the channels."""
    source = call.inputs[0]
    label = call.label(source)
    own = _normalised_dims(call, source)
    if label is None or len(varying(label)) != 1:
        call.refuse()
        return
    dim = varying(label)[0]
    is_over_last = call.name in _OVER_LAST
    if not is_over_last and dim != 1:
        call.refuse()
        return
    for vector in tensors_in((call.args[1:], list(call.kwargs.values()))):
        if dim in own:
            _meet_vector(call, vector, lay(label.reshape(-1), dim - own[0], vector.ndim))
    _pair_groups(call, label.reshape(-1))
    call.give(None)
    call.scene.set(call.outputs[0], label)


_OVER_LAST = ("native_layer_norm", "_fused_rms_norm")


def _normalised_dims(call: Call, source: Tensor) -> list[int]:
    if call.name in _OVER_LAST:
        return list(range(source.ndim - len(call.args[1]), source.ndim))
    return [1]


def _meet_vector(call: Call, vector: Tensor, label: Label) -> None:
    if label is not None:
        own = call.label(vector)
        if own is None:
            meet_unlabelled(call, vector, label)
        else:
            call.scene.ledger.tie(label, own)


def _pair_groups(call: Call, units: Tensor) -> None:
    groups = call.given("group") if call.name == "native_group_norm" else None
    if groups and groups > 1:
        rows = units.reshape(int(groups), -1)
        call.scene.ledger.pair(rows[:1].expand_as(rows), rows)
