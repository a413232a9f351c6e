"""The crops that a net has to pass: edges, mixtures, those that tell groups apart, and each group alone small."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from kdsearch.tracing.units import Ids


class Choices(Protocol):
    """What is read of a channel group."""

    @property
    def choices(self) -> tuple[int, ...]:
        """Kept channels in ascending order."""

    @property
    def multiplicity(self) -> int:
        """Channels that only go together."""


def mixed_crops(groups: Sequence[Choices]) -> tuple[Ids, ...]:
    """Two random mixtures of choices, with at least two classes a group in the first."""
    random = np.random.default_rng(0)
    drawn = [[int(random.choice(group.choices)) // group.multiplicity for group in groups] for _ in range(2)]
    first, second = (np.array(kept, dtype=np.int64) for kept in drawn)
    return np.maximum(2, first), second


def edge_crops(groups: Sequence[Choices]) -> tuple[Ids, ...]:
    """All groups smallest, and each second group smallest beside full ones.

    Where the smallest keeps a single class somewhere, whose order cannot be told, it is tried with two as well.
    """
    low, high = _edges(groups)
    odd = np.arange(len(groups)) % 2 == 1
    pairs = [np.maximum(2, low)] if (low == 1).any() else []
    return (*pairs, low, np.where(odd, low, high), np.where(odd, high, low))


def separating_crops(groups: Sequence[Choices], among: Sequence[int]) -> tuple[Ids, ...]:
    """Crops that hold, for any two groups of ``among``, one with the first smallest and the second full, and back.

    The groups are numbered; a crop and its opposite ask one binary digit of their numbers.
    """
    low, high = _edges(groups)
    number = np.zeros(len(groups), dtype=np.int64)
    number[list(among)] = np.arange(len(among))
    crops = []
    for digit in range(max(0, len(among) - 1).bit_length()):
        is_set = (number >> digit) & 1 == 1
        crops += [np.where(is_set, low, high), np.where(is_set, high, low)]
    return tuple(crops)


def telling_crops(groups: Sequence[Choices]) -> tuple[Ids, ...]:
    """Crops that tell by a size which group it follows; their widths need not be choices.

    Two groups of as many classes keep unlike numbers in one of them: at random, at least two. The second crop is the
    first seen from the other end, so that what was more is less. Groups of two classes are told apart as
    ``separating_crops`` does.
    """
    high = _edges(groups)[1]
    random = np.random.default_rng(1)
    number = np.zeros(len(groups), dtype=np.int64)
    base = np.maximum(1, high - 1)
    orders = {full: random.permutation(max(1, full - 1)) for full in high.tolist()}
    for full in orders:
        number[high == full] = np.arange((high == full).sum())
    crops: list[Ids] = []
    while not crops or (number[high > 2] > 0).any():
        kept = np.array([2 + orders[full][at] for full, at in zip(high.tolist(), number % base, strict=True)])
        crops += [np.minimum(kept, high), *([] if crops else [np.minimum(high + 2 - kept, high)])]
        number //= base
    small = np.flatnonzero(high <= 2).tolist()
    return (*crops, *separating_crops(groups, [*small, *np.flatnonzero(high > 2)[:1].tolist()] if small else []))


def lone_crop(groups: Sequence[Choices], group: int) -> Ids:
    """One group at its smallest, every other one full."""
    low, high = _edges(groups)
    return np.where(np.arange(len(groups)) == group, low, high)


def _edges(groups: Sequence[Choices]) -> tuple[Ids, Ids]:
    kept = [(group.choices[0] // group.multiplicity, group.choices[-1] // group.multiplicity) for group in groups]
    low, high = np.array(kept, dtype=np.int64).reshape(-1, 2).T
    return low, high
