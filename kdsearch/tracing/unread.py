"""Parameters and buffers that evaluation never reads, such as those of auxiliary heads: no delivered file has them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from kdsearch.tracing.calls import tensors_in
from kdsearch.tracing.swap import Slots, swapped


def find_unread(net: nn.Module, image_BCHW: Tensor, tensors: Mapping[str, Tensor] | None = None) -> frozenset[str]:
    """The names of the tensors that no operator reads when ``net`` runs in evaluation, with ``tensors`` for its own.

    Those of a module that is called count as read, however it gets at them.
    """
    slots = Slots.of(net)
    tensors = slots.tensors() if tensors is None else tensors
    net.eval()
    with swapped(slots, tensors), torch.no_grad():
        suspects = tensors_inside(net, slots, _uncalled(net, image_BCHW))
        if not suspects:
            return suspects
        watch = _Reading({id(tensors[name]): name for name in suspects})
        with torch.device("meta") if image_BCHW.is_meta else nullcontext(), watch:
            net(image_BCHW)
    return suspects - watch.read


def tensors_inside(net: nn.Module, slots: Slots, modules: Collection[str]) -> frozenset[str]:
    """The names of the tensors that only these modules hold."""
    own = [net.get_submodule(name) for name in modules]
    held = {id(kind) for module in own for kind in (module._parameters, module._buffers)}
    return frozenset(name for name, places in slots.places.items() if all(id(kind) in held for kind, _ in places))


def _uncalled(net: nn.Module, image_BCHW: Tensor) -> set[str]:
    left = {name for name, _ in net.named_modules()}
    handles = []
    for name, module in net.named_modules():

        def note(module: nn.Module, given: Any, name: str = name) -> None:  # noqa: ARG001
            left.discard(name)

        handles.append(module.register_forward_pre_hook(note))
    try:
        with torch.device("meta") if image_BCHW.is_meta else nullcontext():
            net(image_BCHW)
    finally:
        for handle in handles:
            handle.remove()
    return left


class _Reading(TorchDispatchMode):
    """Sees which of some tensors operators are given."""

    def __init__(self, names: Mapping[int, str]) -> None:
        super().__init__()
        self.names = names
        self.read: set[str] = set()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = tensors_in((args, list(kwargs.values())))
        self.read |= {self.names[id(tensor)] for tensor in given if id(tensor) in self.names}
        return func(*args, **kwargs)
