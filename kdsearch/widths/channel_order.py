"""Channels in another order: what a net computes stays, which channels a crop keeps changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from kdsearch.tracing.units import Ids
from kdsearch.widths.crop import Vector

if TYPE_CHECKING:
    from kdsearch.widths.space import WidthSpace


def channel_sums(widths: WidthSpace, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """For each group, one sum a channel class over every element of ``tensors`` that belongs to it.

    ``tensors`` are shaped and named like the net's parameters; an element that belongs to two groups counts for both.
    """
    groups = widths.layout.grouping.groups
    sums = [torch.zeros(len(group.roots), dtype=torch.float64) for group in groups]
    for name, tensor in tensors.items():
        for dim, vector in _vectors(widths, name):
            rest = [other for other in range(tensor.ndim) if other != dim]
            places = (tensor.sum(rest) if rest else tensor).double().cpu()
            for at in np.unique(vector.group[vector.group >= 0]).tolist():
                inside = torch.from_numpy(np.flatnonzero(vector.group == at))
                sums[at].index_add_(0, torch.from_numpy(vector.rank[inside.numpy()]), places[inside])
    return {group.name: total for group, total in zip(widths.groups, sums, strict=True)}


def permuted(widths: WidthSpace, order: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``tensors`` with the channels of each group reordered: place r takes what place ``order[group][r]`` held."""
    orders = [order[group.name].numpy() for group in widths.groups]
    result = {}
    for name, tensor in tensors.items():
        for dim, vector in _vectors(widths, name):
            tensor = tensor.index_select(dim, _source(vector, orders).to(tensor.device))
        result[name] = tensor
    return result


def _vectors(widths: WidthSpace, name: str) -> list[tuple[int, Vector]]:
    layout = widths.layout
    return [(dim, layout.table.vectors[number - 1]) for dim, number in enumerate(layout.places[name]) if number]


def _source(vector: Vector, orders: list[Ids]) -> Tensor:
    """For each place, the place it is filled from; a class that occurs several times keeps its occurrences apart."""
    source = np.arange(len(vector.group))
    for at in np.unique(vector.group[vector.group >= 0]).tolist():
        inside = np.flatnonzero(vector.group == at)
        table = inside[np.argsort(vector.rank[inside], kind="stable")].reshape(len(orders[at]), -1)
        source[table] = table[orders[at]]
    return torch.from_numpy(source)
