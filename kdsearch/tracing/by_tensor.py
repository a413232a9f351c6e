"""Values kept for tensors, which are told apart by identity."""

from __future__ import annotations

from typing import Generic, TypeVar

from torch import Tensor

Value = TypeVar("Value")


class ByTensor(Generic[Value]):
    """What is known of the tensors of one run.

    The tensors are held as long as this is: torch's own dictionaries of weak references take five times as long, and
    a run of one image, most often without values, is small.
    """

    def __init__(self) -> None:
        self._held: dict[int, tuple[Tensor, Value]] = {}

    def __contains__(self, tensor: Tensor) -> bool:
        return id(tensor) in self._held

    def __setitem__(self, tensor: Tensor, value: Value) -> None:
        self._held[id(tensor)] = (tensor, value)

    def get(self, tensor: Tensor) -> Value | None:
        """What is known of a tensor; None where nothing is."""
        found = self._held.get(id(tensor))
        return None if found is None else found[1]

    def pop(self, tensor: Tensor) -> Value | None:
        """What was known of a tensor, and is no longer."""
        found = self._held.pop(id(tensor), None)
        return None if found is None else found[1]
