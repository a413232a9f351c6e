"""What is known of tensors without units: where they are constant, and which of them are a parameter in another shape.

A tensor that is constant along a dimension (made by ``new_zeros``, or a single channel that was expanded) has nothing
there that tells channels apart: it fits any channels, as long as there are as many. It gets units of its own when it
first meets channels, as a bare parameter does, so that what it meets is known and its size is proved like any other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from torch import Tensor

from kdsearch.tracing.by_tensor import ByTensor

Alias = tuple[str, tuple[int | None, ...]]
"""A parameter's name, and for each dimension of the tensor the parameter's dimension (None: of size 1)."""


@dataclass(frozen=True, slots=True)
class Blank:
    """Where a tensor is constant. ``root``: the tensor whose memory it lies in."""

    key: str
    dims: frozenset[int]
    root: str


@dataclass(slots=True)
class Traits:
    """The constant dimensions and aliases of the tensors of one run."""

    _made: int = 0
    _blanks: ByTensor[Blank] = field(default_factory=ByTensor)
    _aliases: ByTensor[Alias] = field(default_factory=ByTensor)
    _written: set[str] = field(default_factory=set)

    def blank(self, tensor: Tensor) -> Blank | None:
        """Where a tensor is constant; None where nothing is known of it."""
        found = self._blanks.get(tensor)
        return None if found is None or found.root in self._written else found

    def set_blank(self, tensor: Tensor, dims: Iterable[int], maker: str, source: Blank | None = None) -> None:
        """Notes that a tensor is constant along ``dims``; ``source`` is what it is a view of."""
        wide = frozenset(dim for dim in dims if tensor.shape[dim] > 1)
        key = self.new_key(maker)  # also for what is not wide: a crop may be narrower than the full net
        if wide:
            self._blanks[tensor] = Blank(key, wide, key if source is None else source.root)

    def new_key(self, maker: str) -> str:
        """A name for what was made, the same in every run of the net."""
        self._made += 1
        return f"{maker} (tensor {self._made})"

    def forget(self, tensor: Tensor) -> None:
        """The tensor is a parameter no longer, and with all that shares its memory constant no longer."""
        self._aliases.pop(tensor)
        found = self._blanks.pop(tensor)
        if found is not None:
            self._written.add(found.root)

    def alias(self, tensor: Tensor) -> Alias | None:
        """The parameter that a tensor is, in another shape; None for any other."""
        return self._aliases.get(tensor)

    def set_alias(self, tensor: Tensor, alias: Alias) -> None:
        """Notes that a tensor is a parameter in another shape."""
        self._aliases[tensor] = alias
