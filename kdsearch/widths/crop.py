"""What each tensor of a net keeps under a gene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kdsearch.tracing.swap import Setting
from kdsearch.tracing.units import Ids

Kept = int | Tensor | None
Index = tuple[Kept, ...]
"""A dimension keeps everything (None), its first so many places (a number), or the places listed."""


def take(full: Tensor, index: Sequence[Kept]) -> Tensor:
    """The crop of ``full``: a view where every dimension keeps a leading slice, else a copy."""
    for dim, kept in enumerate(index):
        if isinstance(kept, int):
            full = full.narrow(dim, 0, kept)
        elif kept is not None:
            full = full.index_select(dim, kept.to(full.device))
    return full


def put(full: Tensor, index: Sequence[Kept], crop: Tensor) -> None:
    """Writes ``crop`` into the places of ``full`` that ``take`` reads it from."""
    if not any(isinstance(kept, Tensor) for kept in index):
        take(full, index).copy_(crop)
        return
    rows = [
        torch.arange(size if kept is None else kept) if not isinstance(kept, Tensor) else kept
        for size, kept in zip(full.shape, index, strict=True)
    ]
    full[torch.meshgrid(*(row.to(full.device) for row in rows), indexing="ij")] = crop


@dataclass(frozen=True, slots=True)
class Vector:
    """The places of one dimension: the group of each (-1: always kept) and the rank of its class in that group."""

    group: Ids
    rank: Ids
    leading: bool

    @classmethod
    def of(cls, group: Ids, rank: Ids) -> Vector:
        """The vector; ``leading`` says that every crop of it is a leading slice."""
        present = np.unique(group[group >= 0])
        ranks = np.where(group < 0, -1, rank)
        return cls(group, rank, present.size <= 1 and bool((np.diff(ranks) >= 0).all()))

    def mask(self, kept: Ids) -> NDArrayBool:
        """Which places stay when each group keeps so many classes."""
        if not kept.size:  # a net without any group
            return self.group < 0
        return (self.group < 0) | (self.rank < kept[self.group])

    def index(self, kept: Ids) -> Kept:
        """The places that stay."""
        mask = self.mask(kept)
        count = int(mask.sum())
        if count == mask.size:
            return None
        if self.leading or bool(mask[:count].all()):
            return count
        return torch.from_numpy(np.flatnonzero(mask))


NDArrayBool = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class Crop:
    """What a gene keeps: ``kept`` classes of each group, ``index`` of each parameter and buffer by name.

    ``settings`` are the sizes that the net's modules have to remember while they run cropped.
    """

    kept: tuple[int, ...]
    index: Mapping[str, Index]
    settings: tuple[Setting, ...]

    def take(self, name: str, full: Tensor) -> Tensor:
        """The crop of a tensor shaped like the parameter or buffer ``name``; a view of leading slices if it can be."""
        return take(full, self.index[name])

    def put(self, name: str, full: Tensor, crop: Tensor) -> None:
        """Writes a crop back into the tensor that it was taken from."""
        put(full, self.index[name], crop)

    def is_view(self, name: str) -> bool:
        """Whether ``take`` gives a view, so that writing into the crop writes into the full tensor."""
        return not any(isinstance(kept, Tensor) for kept in self.index[name])
