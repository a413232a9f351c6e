"""Operators that move data: the label goes where the elements go, because the operator is applied to it."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn.functional import pad

from kdsearch.tracing.calls import Call, RealTensorsNeededError, tensors_in
from kdsearch.tracing.labels import Label, compress, spread, varying

_ALONG_ONE = frozenset(("cat", "split", "split_with_sizes", "slice", "select", "unbind", "narrow"))
"""Operators that work along one dimension: labels need their full size along that one only."""

MOVES = _ALONG_ONE | frozenset(
    (
        "view", "_unsafe_view", "reshape", "_reshape_alias", "permute", "transpose", "t", "expand", "unsqueeze",
        "squeeze", "flip", "roll", "stack", "constant_pad_nd", "index", "index_select", "repeat", "unfold",
        "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "native_channel_shuffle", "repeat_interleave",
    )
)  # fmt: skip


def move(call: Call) -> None:
    """Applies the operator to the labels of what it moves."""
    moved = _moved(call)
    results = list(tensors_in(moved))
    pieces = [compress(result) for result in results]
    if call.name in ("split", "split_with_sizes"):
        _tie_pieces(call, results)
    settled = [_settled(call, label) for label in pieces]
    for output, label in zip(call.outputs, settled, strict=True):
        call.scene.set(output, label)
    if call.name == "split_with_sizes":
        call.scene.note_split(settled, call.given("dim"), call.args[1])


def _moved(call: Call) -> Any:
    if call.name == "constant_pad_nd":
        return _padded(call)
    dims = _dims(call)
    rest = call.args[1:]
    for other in tensors_in((rest, list(call.kwargs.values()))):
        if other.device.type == "meta":
            raise RealTensorsNeededError(call.name)
    given = call.args[0]
    labels: Any = (
        [spread(call.label(tensor), tensor.shape, dims) for tensor in given]
        if isinstance(given, list | tuple)
        else spread(call.label(given), given.shape, dims)
    )
    if call.name == "cat":
        labels = _broadcast(labels, dims)
    kwargs = {key: value for key, value in call.kwargs.items() if key not in ("value", "layout", "device", "dtype")}
    if call.name in ("view", "_unsafe_view", "_reshape_alias"):
        return labels.reshape(rest[0])
    if call.name == "select":
        _freeze_selected(call, labels)
    return call.func(labels, *rest, **kwargs)


def _padded(call: Call) -> Tensor:
    """The label of a padded tensor: what is added along the channels belongs to no unit."""
    label = call.label(call.args[0])
    assert label is not None
    added = list(call.args[1])
    for dim in range(label.ndim):
        at = 2 * (label.ndim - 1 - dim)
        if label.shape[dim] == 1 and at < len(added):
            added[at : at + 2] = [0, 0]
    return pad(label, added)


def _dims(call: Call) -> list[int] | None:
    if call.name not in _ALONG_ONE:
        return None
    first = next(tensors_in(call.args))
    dim = call.given("dim")
    return [int(dim or 0) % max(first.ndim, 1)]


def _broadcast(labels: list[Tensor], dims: list[int] | None) -> list[Tensor]:
    """Labels of equal size in all but the dimension they are joined along."""
    joined = (dims or [0])[0]
    labels = [label for label in labels if label.ndim == labels[-1].ndim]
    sizes = [max(label.shape[dim] for label in labels) for dim in range(labels[0].ndim)]
    return [label.expand([label.shape[d] if d == joined else size for d, size in enumerate(sizes)]) for label in labels]


def _freeze_selected(call: Call, label: Tensor) -> None:
    dim, at = call.args[1], call.args[2]
    if label.shape[dim] > 1 and not bool((label == label.narrow(dim, 0, 1)).all()):
        call.scene.ledger.freeze(label.select(dim, at).reshape(-1), f"picked by its number in {call.scene.here}")


def _tie_pieces(call: Call, pieces: list[Tensor]) -> None:
    """Pieces of equal size stay equal: they are tied position by position."""
    first = pieces[0]
    for piece in pieces[1:]:
        if piece.shape == first.shape and len(varying(first)) > 0:
            call.scene.ledger.pair(first, piece)


def _settled(call: Call, label: Tensor) -> Label:
    """The label with units along one dimension at most.

    A view that splits channels into (a, b) leaves units along two. The net computes one of the sizes from the other
    (-1), or the smaller one is a constant such as a number of groups: units are tied along the constant one.
    """
    wide = varying(label)
    while len(wide) > 1:
        asked = call.given("size") or call.given("shape") or []
        constant = [dim for dim in wide if not (len(asked) == label.ndim and asked[dim] == -1)] or wide
        dim = min(constant, key=lambda at: label.shape[at])
        first = label.narrow(dim, 0, 1)
        call.scene.ledger.tie(label, first)
        label = compress(first)
        wide = varying(label)
    if not wide:
        unit = int(label.reshape(-1)[0]) if label.numel() else 0
        reason = f"all channels become one in {call.scene.here}"
        return None if unit == 0 else call.scene.ledger.single(label, reason)
    return label
