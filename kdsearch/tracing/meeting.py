"""Units that meet in one place of a tensor: they are tied, and what has none there must fit them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from kdsearch.tracing.calls import Call
from kdsearch.tracing.labels import Label, aligned, varying
from kdsearch.tracing.unlabelled import alias_of


def meet(call: Call, operands: Sequence[Tensor], ndim: int) -> Label:
    """The label of what these tensors, broadcast to ``ndim`` dimensions, make together."""
    label: Label = None
    for tensor in operands:
        own = call.label(tensor)
        if own is not None:
            label = aligned(own, ndim) if label is None else _joined(call, label, aligned(own, ndim))
    if label is not None:
        for tensor in operands:
            if call.label(tensor) is None:
                meet_unlabelled(call, tensor, label)
    return label


def meet_unlabelled(call: Call, tensor: Tensor, label: Tensor) -> None:
    """A tensor without units meets some: it is a parameter that follows them, constant, or of fixed size."""
    for dim in varying(label):
        own = dim - (label.ndim - tensor.ndim)
        if own < 0 or tensor.shape[own] == 1:
            continue
        units = label.reshape(-1)
        alias = alias_of(call, tensor)
        known = call.scene.traits.blank(tensor)
        if alias is not None and alias[1][own] is not None:
            call.scene.ledger.arrive((alias[0], int(alias[1][own] or 0)), units)
        elif known is not None and own in known.dims:
            minted = call.scene.ledger.leave((known.key, own), tensor.shape[own])
            call.scene.ledger.tie(units, torch.zeros_like(units) if minted is None else minted)
        else:
            call.scene.ledger.fix(units, f"meets a tensor of fixed size: {call.place}")


def _joined(call: Call, first: Tensor, second: Tensor) -> Label:
    wide = set(varying(first)) | set(varying(second))
    if len(wide) > 1:
        reason = f"channels meet channels of another dimension: {call.place}"
        call.scene.ledger.freeze(first.reshape(-1), reason)
        call.scene.ledger.freeze(second.reshape(-1), reason)
        return first if len(varying(first)) == 1 else None
    call.scene.ledger.tie(first, second)
    return first if varying(first) else second
