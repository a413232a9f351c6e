"""The crops that a net has to pass: edges, mixtures, and for any two groups one in which only the first is small."""

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


def edge_crops(groups: Sequence[Choices]) -> tuple[Ids, ...]:
    """Kept classes: two random mixtures, all groups smallest, and each second group smallest beside full ones.

    Where the smallest keeps a single class somewhere, whose order cannot be told, it is tried with two as well.
    """
    random = np.random.default_rng(0)
    drawn = [[int(random.choice(group.choices)) // group.multiplicity for group in groups] for _ in range(2)]
    low, high = _edges(groups)
    mixed = [np.maximum(2, np.array(kept, dtype=np.int64)) for kept in drawn]
    odd = np.arange(len(groups)) % 2 == 1
    pairs = [np.maximum(2, low)] if (low == 1).any() else []
    return (mixed[0], *pairs, low, mixed[1], np.where(odd, low, high), np.where(odd, high, low))


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


def lone_crop(groups: Sequence[Choices], group: int) -> Ids:
    """One group at its smallest, every other one full."""
    low, high = _edges(groups)
    return np.where(np.arange(len(groups)) == group, low, high)


def _edges(groups: Sequence[Choices]) -> tuple[Ids, Ids]:
    kept = [(group.choices[0] // group.multiplicity, group.choices[-1] // group.multiplicity) for group in groups]
    low, high = np.array(kept, dtype=np.int64).reshape(-1, 2).T
    return low, high
