"""Writing into tensors: units go where the values go, whether the whole tensor is written or a view of it."""

from __future__ import annotations

from math import prod

from torch import Tensor

from kdsearch.tracing.calls import Call
from kdsearch.tracing.labels import Label, aligned, lay, varying
from kdsearch.tracing.meeting import meet


def copy(call: Call) -> None:
    """``copy_``: a whole tensor takes its units from the source; a view hands them to what it is a view of."""
    target, source = call.args[0], call.args[1]
    if target._is_view():
        held = [tensor for tensor in (target, source) if tensor is source or call.label(tensor) is not None]
        label = meet(call, held, target.ndim)
        if label is not None:
            call.scene.set(target, label)
        return
    label = call.label(source)
    if label is not None and prod(target.shape) != prod(source.shape):
        call.refuse(source)
        return
    call.scene.set(target, None if label is None else aligned(label, target.ndim))


def settle_write(call: Call) -> None:
    """After an operator wrote into a view: what it is a view of has the same units in the same places."""
    target = call.args[0] if call.args else None
    if not isinstance(target, Tensor) or not target._is_view() or target._base is None:
        return
    base = target._base
    label = call.label(target)
    if label is None or len(varying(label)) != 1:
        _spoil(call, base)
        return
    dim = varying(label)[0]
    places = [at for at in range(base.ndim) if base.shape[at] > 1 and base.stride(at) == target.stride(dim)]
    if len(places) != 1 or not base.is_contiguous():
        call.refuse(target)
        _spoil(call, base)
        return
    _place(call, base, label.reshape(-1), (places[0], int(target.storage_offset() - base.storage_offset())))


def _spoil(call: Call, base: Tensor) -> None:
    """Values without units went into a part of a tensor: it is constant no longer; its own units stay."""
    call.scene.traits.forget(base)


def _place(call: Call, base: Tensor, units: Tensor, at: tuple[int, int]) -> None:
    """Ties the units of a view to the places of ``base`` that it covers. ``at``: dimension of base, storage offset."""
    dim, offset = at
    own = call.label(base)
    known = call.scene.traits.blank(base)
    held: Label = None if own is None else own.expand([-1 if d != dim else base.shape[d] for d in range(base.ndim)])
    if own is None and known is not None and dim in known.dims:
        held = call.scene.ledger.leave((known.key, dim), base.shape[dim])
    elif own is not None and any(d != dim for d in varying(own)):
        held = None
    if held is None:
        call.scene.ledger.fix(units, f"meets a tensor of fixed size: {call.place}")
        _spoil(call, base)
        return
    held = held.reshape(-1)
    start = offset // base.stride(dim) % base.shape[dim]
    part = held[start : start + len(units)]
    call.scene.ledger.tie(part, units)
    if own is not None and bool((part == units).all()):
        call.watch(units)
    call.scene.set(base, lay(held, dim, base.ndim))
