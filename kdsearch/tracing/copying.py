"""A copy of any net, whatever its forward has left in it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, TypeGuard

from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

_DEPTH = 6  # how deep containers inside containers are searched for tensors


def copy_net(net: nn.Module, memo: dict[int, Any] | None = None) -> nn.Module:
    """A deep copy; tensors of a graph, which a forward kept and torch cannot copy, lose their graph in it.

    Raises:
        Whatever something in it raises that cannot be copied, such as a lock or an open file.
    """
    memo = {} if memo is None else memo
    for module in net.modules():
        for tensor in graph_tensors([vars(module), module._buffers]):
            memo.setdefault(id(tensor), tensor.detach().clone())
        for lazy in (t for held in (module._parameters, module._buffers) for t in held.values() if is_lazy(t)):
            memo.setdefault(id(lazy), type(lazy)())
    copied: nn.Module = copy.deepcopy(net, memo)
    return copied


def is_lazy(tensor: Any) -> TypeGuard[UninitializedParameter | UninitializedBuffer]:
    """Whether it is a parameter or buffer that gets its shape in the first forward."""
    return isinstance(tensor, UninitializedParameter | UninitializedBuffer)


def graph_tensors(held: Any, depth: int = _DEPTH) -> Iterator[Tensor]:
    """The tensors with a history in a container, an object, or what they hold; modules are not entered."""
    if isinstance(held, Tensor):
        if held.grad_fn is not None:
            yield held
    elif depth and not isinstance(held, nn.Module | type):
        for inner in inner_values(held):
            yield from graph_tensors(inner, depth - 1)


def inner_values(held: Any) -> list[Any]:
    """What a container or a plain object holds; of anything else nothing."""
    if isinstance(held, dict):
        return list(held.values())
    if isinstance(held, list | tuple | set | frozenset):
        return list(held)
    return list(vars(held).values()) if type(held).__module__ != "builtins" and hasattr(held, "__dict__") else []
