"""Running a net's own forward on other tensors: parameters, buffers and sizes swapped for the length of a call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

Setting = tuple[dict[str, Any], str, Any]
"""A dictionary (a module's), a key in it and the value to put there."""


@dataclass(frozen=True, slots=True)
class Slots:
    """Where each parameter and buffer of a net lives: name -> the (dictionary, key) pairs that hold it.

    Shared tensors have one name, the one that ``named_parameters`` gives, and several places.
    """

    places: Mapping[str, tuple[tuple[dict[str, Any], str], ...]]
    parameters: tuple[str, ...]
    buffers: tuple[str, ...]

    @classmethod
    def of(cls, net: nn.Module) -> Slots:
        """The slots of this net."""
        places: dict[str, list[tuple[dict[str, Any], str]]] = {}
        names: dict[int, str] = {}
        kinds: tuple[list[str], list[str]] = ([], [])
        for prefix, module in net.named_modules():
            for kind, held in enumerate((module._parameters, module._buffers)):
                for key, tensor in held.items():
                    if tensor is None:
                        continue
                    name = names.setdefault(id(tensor), f"{prefix}.{key}" if prefix else key)
                    if name not in places:
                        kinds[kind].append(name)
                    places.setdefault(name, []).append((held, key))
        return cls({name: tuple(pairs) for name, pairs in places.items()}, tuple(kinds[0]), tuple(kinds[1]))

    def tensors(self) -> dict[str, Tensor]:
        """The net's own tensors by name."""
        return {name: pairs[0][0][pairs[0][1]] for name, pairs in self.places.items()}


@contextmanager
def swapped(slots: Slots, tensors: Mapping[str, Tensor | None], settings: Sequence[Setting] = ()) -> Iterator[None]:
    """The net holds these tensors and settings inside the block, and its own again after it, whatever happens."""
    undo: list[Setting] = []
    places = slots.places
    try:
        for name, tensor in tensors.items():
            for held, key in places[name]:
                undo.append((held, key, held[key]))
                held[key] = tensor
        for held, key, value in settings:
            undo.append((held, key, held[key]))
            held[key] = value
        yield
    finally:
        for held, key, value in reversed(undo):
            held[key] = value
