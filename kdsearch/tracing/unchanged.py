"""A net is run, whatever its forward leaves in it, and is then what it was before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from kdsearch.tracing.copying import inner_values

_DEPTH = 4  # of containers in containers in which a forward may leave something
Undo = Callable[[], None]


@contextmanager
def unchanged(net: nn.Module, *, values: bool = True, but: Sequence[Any] = ()) -> Iterator[None]:
    """After this context ``net`` is what it was: the tensors, numbers, lists, hooks and modes of its modules.

    Without ``values`` tensors keep what was written into them: cheap, and enough where others stand in for the net's.
    What changes in the containers ``but`` is meant to stay.
    """
    undo: list[Undo] = []
    seen = {id(held) for held in but}
    for module in net.modules():
        _keep(vars(module), undo, seen, values=values)
    with _undone(undo):
        yield


@contextmanager
def attributes_unchanged(net: nn.Module) -> Iterator[None]:
    """After this context what modules of other makes than torch's remember is what it was: for a net run many times."""
    undo: list[Undo] = []
    seen: set[int] = set()
    for module in net.modules():
        if not type(module).__module__.startswith("torch.nn."):
            undo.append(_keep_container(vars(module)))
            for key, held in vars(module).items():
                if key not in _TORCHS and not isinstance(held, (*_PLAIN, Tensor)):
                    _keep(held, undo, seen, values=False)
    with _undone(undo):
        yield


@contextmanager
def _undone(undo: Sequence[Undo]) -> Iterator[None]:
    try:
        yield
    finally:
        for step in reversed(undo):
            step()


def _keep(held: Any, undo: list[Undo], seen: set[int], depth: int = _DEPTH, *, values: bool) -> None:
    """Notes how a container, or an object's dictionary, comes to hold the same again, and what it holds."""
    if id(held) in seen:
        return
    seen.add(id(held))
    if isinstance(held, Tensor):
        undo.append(_keep_tensor(held, values=values))
        return
    if isinstance(held, nn.Module | type) or not depth:
        return
    if isinstance(held, dict | list | set):
        undo.append(_keep_container(held))
    elif not isinstance(held, tuple) and inner_values(held):
        held = vars(held)
        undo.append(_keep_container(held))
    for inner in inner_values(held):
        if not isinstance(inner, _PLAIN):
            _keep(inner, undo, seen, depth - 1, values=values)


_TORCHS = frozenset(vars(nn.Module()))
_PLAIN = (int, float, str, bytes, bool, type(None))


def _keep_container(held: Any) -> Undo:
    before = list(held.items()) if isinstance(held, dict) else list(held)

    def restore() -> None:
        now = list(held.items()) if isinstance(held, dict) else list(held)
        if len(now) == len(before) and all(_is_same(a, b) for a, b in zip(now, before, strict=True)):
            return
        if isinstance(held, list):
            held[:] = before
        else:
            held.clear()
            held.update(before)

    return restore


def _is_same(first: Any, second: Any) -> bool:
    if isinstance(first, tuple) and isinstance(second, tuple):
        return len(first) == len(second) and all(a is b for a, b in zip(first, second, strict=True))
    return first is second


def _keep_tensor(tensor: Tensor, *, values: bool) -> Undo:
    trains, gradient = tensor.requires_grad, tensor.grad if tensor.is_leaf else None
    digits = tensor.detach().clone() if values and not tensor.is_meta else None

    def restore() -> None:
        if digits is not None and tensor.shape != digits.shape:
            with torch.no_grad():
                tensor.set_(digits)  # type: ignore[call-overload]
        elif digits is not None and not torch.equal(tensor, digits):
            tensor.detach().copy_(digits)
        if tensor.is_leaf:
            tensor.requires_grad_(trains)
            tensor.grad = gradient  # of the same shape again

    return restore
