"""Figures of the steps of an epoch under way, added up without waiting for the device at each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

_KEPT = 64  # steps whose figures wait to be counted


class Sums:
    """The sum and the number of each figure, in float64 and one by one, so that it matters not when they are read."""

    def __init__(self) -> None:
        self._sums: dict[str, list[float]] = {}
        self._waiting: list[tuple[str, Tensor]] = []

    def add(self, figures: Mapping[str, Tensor]) -> None:
        self._waiting.extend((name, value.detach()) for name, value in figures.items())
        if len(self._waiting) >= _KEPT * max(1, len(figures)):
            self._count()

    def means(self) -> dict[str, float]:
        """The mean of each figure."""
        return {name: total / count for name, (total, count) in self.state().items()}

    def state(self) -> dict[str, Any]:
        """The sums so far; ``load`` goes on from them."""
        self._count()
        return {name: list(sums) for name, sums in self._sums.items()}

    def load(self, state: Mapping[str, Any]) -> None:
        self._sums, self._waiting = {name: list(sums) for name, sums in state.items()}, []

    def _count(self) -> None:
        if not self._waiting:
            return
        values = torch.stack([value.reshape(()).double() for _, value in self._waiting]).tolist()
        for (name, _), value in zip(self._waiting, values, strict=True):
            sums = self._sums.setdefault(name, [0.0, 0])
            sums[0], sums[1] = sums[0] + value, sums[1] + 1
        self._waiting = []
