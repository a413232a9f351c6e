"""Candidates and the spaces they are drawn from; no torch here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

Value = int | float | str
Costs = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One point of a search space: (name, value) pairs sorted by name; ``origin`` says how it was drawn.

    For a width space the names are channel groups and the values are kept channels, so two genes that give the
    same net are the same candidate. ``origin`` takes no part in comparison.
    """

    pairs: tuple[tuple[str, Value], ...]
    origin: str = field(default="", compare=False)

    @classmethod
    def of(cls, values: Mapping[str, Value], origin: str = "") -> Candidate:
        """The candidate with these values."""
        return cls(tuple(sorted(values.items())), origin)

    @property
    def values(self) -> dict[str, Value]:
        return dict(self.pairs)


@dataclass(frozen=True, slots=True)
class Choice:
    """A parameter that takes one of ``values``, in ascending order where they are numbers."""

    name: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Real:
    """A real parameter between ``low`` and ``high``, drawn on a logarithmic scale if ``log``."""

    name: str
    low: float
    high: float
    log: bool = False


Measure = Callable[[Candidate], Costs]
Rng = np.random.Generator
