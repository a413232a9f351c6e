"""Whether one order of things is another's, from few of them and with its interval; no torch here."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

LEAST = 5  # things a row must have: the interval of fewer is endless
_VARIANCE = 0.437  # the variance of atanh(tau) is this over n - 4 (Fieller, Hartley and Pearson 1957)
_WIDTH = 1.96

Pairs = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class RankAgreement:
    """Kendall's tau of ``count`` things, with its 95% interval."""

    tau: float
    low: float
    high: float
    count: int


def rank_agreement(rows: Sequence[Pairs]) -> RankAgreement | None:
    """Kendall's tau of (score, truth) pairs, each compared with those of its own row; None if they are too few.

    Kendall's tau of each row of five or more (ties count as neither) becomes atanh(tau), and these are averaged by how
    sure each is.
    """
    known = [row for row in rows if len(row) >= LEAST]
    weights = [len(row) - 4 for row in known]
    if not known:
        return None
    angles = (math.atanh(_inside(_tau(row), len(row))) for row in known)
    middle = sum(weight * angle for weight, angle in zip(weights, angles, strict=True)) / sum(weights)
    half = _WIDTH * math.sqrt(_VARIANCE / sum(weights))
    return RankAgreement(math.tanh(middle), math.tanh(middle - half), math.tanh(middle + half), sum(map(len, known)))


def _tau(row: Pairs) -> float:
    signs = [_sign(one[0] - two[0]) * _sign(one[1] - two[1]) for one, two in itertools.combinations(row, 2)]
    return sum(signs) / len(signs)


def _inside(tau: float, count: int) -> float:
    """Tau kept half a pair away from 1 and -1, where atanh is infinite."""
    most = 1 - 2 / (count * (count - 1))
    return max(-most, min(most, tau))


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)
