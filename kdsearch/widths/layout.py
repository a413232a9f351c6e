"""The decoder of a net's genes: which places each tensor keeps, which sizes change, and what it costs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np
from torch import Tensor, nn

from kdsearch.cost.flops import CostModel, Products
from kdsearch.tracing.swap import Setting, Slots
from kdsearch.tracing.tracer import MacTerm
from kdsearch.tracing.units import Ids, Port
from kdsearch.widths.crop import Crop, Index, Vector
from kdsearch.widths.groups import Grouping
from kdsearch.widths.layers import Attribute


@dataclass(slots=True)
class VectorTable:
    """The distinct dimensions of a net, numbered from 1; 0 is a dimension of size 1 that no gene changes."""

    grouping: Grouping
    vectors: list[Vector] = field(default_factory=list)
    _numbers: dict[bytes, int] = field(default_factory=dict)

    def number(self, units: Tensor | None) -> int:
        """The number of the dimension that consists of these units; 0 for None."""
        if units is None:
            return 0
        roots = self.grouping.classes.of(units)
        key = roots.tobytes()
        if key not in self._numbers:
            self.vectors.append(self.grouping.vector(units))
            self._numbers[key] = len(self.vectors)
        return self._numbers[key]

    def moves(self, number: int) -> bool:
        """Whether any gene changes this dimension."""
        return number > 0 and bool((self.vectors[number - 1].group >= 0).any())


@dataclass(frozen=True, slots=True)
class Layout:
    """How a net follows its genes. ``places``: for each tensor, the number of the vector of each dimension."""

    net: nn.Module
    slots: Slots
    grouping: Grouping
    table: VectorTable
    places: Mapping[str, tuple[int, ...]]
    attributes: tuple[tuple[Attribute, int], ...]
    _modules: Mapping[str, nn.Module]

    @classmethod
    def of(
        cls,
        net: nn.Module,
        slots: Slots,
        grouping: Grouping,
        ports: Mapping[Port, Tensor],
        attributes: Sequence[Attribute],
    ) -> Layout:
        """The layout of a traced net."""
        table = VectorTable(grouping)
        places: dict[str, tuple[int, ...]] = {}
        for name, tensor in slots.tensors().items():
            numbers = (table.number(ports.get((name, dim))) for dim in range(tensor.ndim))
            places[name] = tuple(number if table.moves(number) else 0 for number in numbers)
        return cls(net, slots, grouping, table, places, (), {}).remembering(attributes)

    def remembering(self, attributes: Sequence[Attribute]) -> Layout:
        """The layout with further sizes that change with a crop."""
        numbered = tuple((attribute, self.table.number(attribute.units)) for attribute in attributes)
        moving = tuple(pair for pair in numbered if self.table.moves(pair[1]))
        modules = {attribute.module: self.net.get_submodule(attribute.module) for attribute, _ in moving}
        return replace(self, attributes=(*self.attributes, *moving), _modules={**self._modules, **modules})

    def decode(self, kept: Ids) -> Crop:
        """The crop that keeps the first ``kept`` classes of each group."""
        indices = [None, *(vector.index(kept) for vector in self.table.vectors)]
        index: dict[str, Index] = {name: tuple(indices[at] for at in dims) for name, dims in self.places.items()}
        return Crop(tuple(kept.tolist()), index, tuple(self._settings(self._modules, kept)))

    def settings(self, net: nn.Module, kept: Ids) -> list[Setting]:
        """The sizes that the modules of ``net`` (this net or a copy) have to remember under this crop."""
        return self._settings(
            {attribute.module: net.get_submodule(attribute.module) for attribute, _ in self.attributes}, kept
        )

    def _settings(self, modules: Mapping[str, nn.Module], kept: Ids) -> list[Setting]:
        counts = [int(vector.mask(kept).sum()) for vector in self.table.vectors]
        values: dict[tuple[str, str], Any] = {}
        for attribute, number in self.attributes:
            key = (attribute.module, attribute.name)
            size = counts[number - 1] // attribute.divisor
            held = modules[attribute.module].__dict__
            values[key] = _placed(values.get(key, held[attribute.name]), attribute.position, size)
        return [(modules[module].__dict__, name, value) for (module, name), value in values.items()]

    def touches(self, name: str) -> tuple[int, ...]:
        """The groups that change the size of this tensor."""
        vectors = [self.table.vectors[number - 1] for number in self.places[name] if number]
        return tuple(sorted({int(group) for vector in vectors for group in np.unique(vector.group) if group >= 0}))

    def cost_model(self, terms: Sequence[MacTerm], but: Collection[str] = ()) -> CostModel:
        """The net's costs as a function of kept classes. ``but``: parameters and buffers that do not count."""
        macs = [(term.coefficient, self.table.number(term.first), self.table.number(term.second)) for term in terms]
        tensors = self.slots.tensors()
        base, slope = self._lengths()
        return CostModel(
            base,
            slope,
            Products.of(macs),
            Products.of([self._elements(name, tensors[name]) for name in self.slots.parameters if name not in but]),
            Products.of([self._elements(name, tensors[name]) for name in self.slots.buffers if name not in but]),
        )

    def _elements(self, name: str, tensor: Tensor) -> tuple[int, int, int]:
        places = self.places[name]
        fixed = prod(size for size, number in zip(tensor.shape, places, strict=True) if not number)
        first, second = ([number for number in places if number] + [0, 0])[:2]
        return fixed, first, second

    def _lengths(self) -> tuple[Ids, Ids]:
        sizes = np.array([len(group.roots) for group in self.grouping.groups], dtype=np.int64)
        base = np.ones(len(self.table.vectors) + 1, dtype=np.int64)
        slope = np.zeros((len(base), len(sizes)), dtype=np.int64)
        for at, vector in enumerate(self.table.vectors, start=1):
            base[at] = int((vector.group < 0).sum())
            counts = np.bincount(vector.group[vector.group >= 0], minlength=len(sizes))
            slope[at] = counts // np.maximum(sizes, 1)
        return base, slope


def _placed(value: Any, position: int | None, size: int) -> Any:
    """A number, or the tuple or list with the number in its place."""
    if position is None:
        return size
    items = list(value)
    items[position] = size
    return items if isinstance(value, list) else tuple(items)
