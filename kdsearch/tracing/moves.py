"""Operators that move data: the label goes where the elements go, because the operator is applied to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn.functional import pad

from kdsearch.tracing.calls import Call, RealTensorsNeededError, tensors_in
from kdsearch.tracing.labels import Label, along, compress, lay, spread, varying

_ALONG_ONE = frozenset(("cat", "split", "split_with_sizes", "slice", "select", "unbind", "narrow"))
"""Operators that work along one dimension: labels need their full size along that one only."""

MOVES = _ALONG_ONE | frozenset(
    (
        "view", "_unsafe_view", "reshape", "_reshape_alias", "permute", "transpose", "t", "expand", "unsqueeze",
        "squeeze", "flip", "roll", "stack", "constant_pad_nd", "index", "index_select", "repeat", "unfold",
        "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "native_channel_shuffle", "repeat_interleave",
        "rot90", "diagonal",
    )
)  # fmt: skip


def move(call: Call) -> None:
    """Applies the operator to the labels of what it moves."""
    if reason := _picks_by_number(call):
        call.refuse(reason=f"{reason}: {call.place}")
        return
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


def _picks_by_number(call: Call) -> str:
    """Why channels lose their order: what picks or shifts them by fixed numbers fits no other number of channels."""
    label = call.label(next(tensors_in(call.args)))
    if label is None:
        return ""
    wide = varying(label)
    if call.name == "index" and any(dim < len(call.args[1]) and call.args[1][dim] is not None for dim in wide):
        return "picks channels by their numbers"
    if call.name == "index_select" and call.args[1] % label.ndim in wide:
        return "picks channels by their numbers"
    if call.name == "roll" and (not call.given("dims") or any(dim % label.ndim in wide for dim in call.given("dims"))):
        return "shifts channels by a fixed number"
    return ""


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
        _joinable(call, given, dims)
        if isinstance(given, list | tuple)
        else spread(call.label(given), given.shape, dims)
    )
    kwargs = {key: value for key, value in call.kwargs.items() if key not in ("value", "layout", "device", "dtype")}
    if call.name in ("view", "_unsafe_view", "_reshape_alias"):
        return labels.reshape(rest[0])
    _tie_before(call, labels)
    return call.func(labels, *rest, **kwargs)


def _tie_before(call: Call, label: Any) -> None:
    """What the operator asks of the channels that it is given."""
    if call.name == "select":
        _freeze_selected(call, label)
    elif call.name == "slice":
        _tie_steps(call, label)
    elif call.name in ("channel_shuffle", "native_channel_shuffle"):
        units = along(compress(label), 1)
        if units is not None:
            rows = units.reshape(call.args[1], -1)
            call.scene.ledger.pair(rows[:1].expand_as(rows), rows)


def _tie_steps(call: Call, label: Tensor) -> None:
    """Every n-th channel: the channels from one to the next stay or go together."""
    step, dim = int(call.given("step") or 1), int(call.given("dim") or 0)
    if step == 1 or label.shape[dim] == 1 or bool((label == label.narrow(dim, 0, 1)).all()):
        return
    units = along(compress(label), dim)
    if units is None or len(units) % step:
        call.refuse(reason=f"picks channels by their numbers: {call.place}")
        return
    rows = units.reshape(-1, step)
    call.scene.ledger.pair(rows[:, :1].expand_as(rows), rows)


def _joinable(call: Call, tensors: Sequence[Tensor], dims: list[int] | None) -> list[Tensor]:
    """The labels of tensors that are joined; one that is constant where others have units gets units of its own."""
    wide = [label for tensor in tensors if (label := call.label(tensor)) is not None]
    labels = []
    for tensor in tensors:
        label = call.label(tensor)
        known = call.scene.traits.blank(tensor)
        if label is None and known is not None and wide and tensor.ndim == wide[0].ndim:
            place = [dim for dim in varying(wide[0]) if dim in known.dims]
            label = _lay_minted(call, known.key, tensor, place)
        labels.append(spread(label, tensor.shape, dims))
    return _broadcast(labels, dims) if call.name == "cat" else labels


def _lay_minted(call: Call, key: str, tensor: Tensor, place: Sequence[int]) -> Label:
    if not place:
        return None
    return lay(call.scene.ledger.leave((key, place[0]), tensor.shape[place[0]]), place[0], tensor.ndim)


def _padded(call: Call) -> Tensor:
    """The label of a padded tensor: channels that are added have units of their own, one set on either side."""
    label = call.label(call.args[0])
    assert label is not None
    added = list(call.args[1])
    for dim in range(label.ndim):
        at = 2 * (label.ndim - 1 - dim)
        if label.shape[dim] == 1 and at < len(added):
            added[at : at + 2] = [0, 0]
    padded = pad(label, added)
    for dim in varying(label):
        at = 2 * (label.ndim - 1 - dim)
        if at < len(added):
            padded = _filled(call, padded, dim, (max(0, added[at]), max(0, added[at + 1])))
    return padded


def _filled(call: Call, label: Tensor, dim: int, sides: tuple[int, int]) -> Tensor:
    """The label with new units in so many places at the start and end of a dimension."""
    label = label.clone()
    for start, count in ((0, sides[0]), (label.shape[dim] - sides[1], sides[1])):
        key = call.scene.traits.new_key(call.place)
        units = call.scene.ledger.leave((key, 0), count) if count > 1 else None
        if units is not None:
            label.narrow(dim, start, count).copy_(lay(units, dim, label.ndim))
    return label


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
        call.scene.ledger.freeze(label.select(dim, at).reshape(-1), f"picks channels by their numbers: {call.place}")


def _tie_pieces(call: Call, pieces: list[Tensor]) -> None:
    """Pieces of equal size stay equal: they are tied position by position."""
    first = pieces[0]
    for piece in pieces[1:]:
        if piece.shape == first.shape and len(varying(first)) > 0:
            call.scene.ledger.pair(first, piece)


def _settled(call: Call, label: Tensor) -> Label:
    """The label with units along one dimension at most.

    A view that splits channels into (a, b) leaves units along two. The net computes one of the sizes from the other
    (-1), or the smaller one is a constant such as a number of groups: units are tied along the constant one. Where the
    operator itself says which dimension has the channels, all others are tied.
    """
    wide = varying(label)
    channels = _channels_after(call, label.ndim)
    while len(wide) > 1:
        asked = call.given("size") or call.given("shape") or []
        constant = [dim for dim in wide if not (len(asked) == label.ndim and asked[dim] == -1)] or wide
        constant = [dim for dim in constant if dim != channels] or constant
        dim = min(constant, key=lambda at: label.shape[at])
        first = label.narrow(dim, 0, 1)
        call.scene.ledger.tie(label, first)
        label = compress(first)
        wide = varying(label)
    if not wide:
        unit = int(label.reshape(-1)[0]) if label.numel() else 0
        reason = f"all channels become one: {call.place}"
        return None if unit == 0 else call.scene.ledger.single(label, reason)
    return label


def _channels_after(call: Call, ndim: int) -> int | None:
    """The dimension that has the channels after a shuffle of pixels, or where tensors are joined along another."""
    if call.name == "pixel_shuffle":
        return ndim - 3
    if call.name not in ("cat", "stack"):
        return None
    labels = [label for tensor in tensors_in(call.args) if (label := call.label(tensor)) is not None]
    wide = varying(labels[0])
    joined = int(call.given("dim") or 0) % ndim
    if call.name == "stack":
        wide = [dim + (dim >= joined) for dim in wide]
    return wide[0] if len(wide) == 1 and wide[0] != joined else None
