"""How sure a difference of two means is, from what few trainings of each show; no torch here."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """Figures of ``count`` trainings: their mean and their standard deviation (of a sample: n - 1)."""

    mean: float
    deviation: float
    count: int


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a figure lies with the confidence asked for."""

    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


def difference_interval(first: Sample, second: Sample, confidence: float = 0.95) -> Interval:
    """The interval of mean(first) - mean(second), by Welch's t (Welch 1947): the two variances may differ.

    Not paired by seed: nets of other widths share no weights, only the order of their batches, and three pairs would
    leave two degrees of freedom where Welch has up to four.

    Raises:
        ValueError: one of them is a single training, of which no interval can be given.
    """
    if min(first.count, second.count) < 2:
        raise ValueError(f"an interval needs 2 trainings of each (got {first.count} and {second.count})")
    difference = first.mean - second.mean
    errors = [sample.deviation**2 / sample.count for sample in (first, second)]
    if sum(errors) == 0:
        return Interval(difference, difference)
    shares = (error**2 / (sample.count - 1) for error, sample in zip(errors, (first, second), strict=True))
    half = t_quantile((1 + confidence) / 2, sum(errors) ** 2 / sum(shares)) * math.sqrt(sum(errors))
    return Interval(difference - half, difference + half)


def paired_interval(differences: Sequence[float], confidence: float = 0.95) -> Interval:
    """Of the mean of differences that belong together, such as at the same seed, by Student's t.

    Raises:
        ValueError: there is one alone, of which no interval can be given.
    """
    if len(differences) < 2:
        raise ValueError(f"an interval needs 2 differences (got {len(differences)})")
    mean, deviation = statistics.fmean(differences), statistics.stdev(differences)
    half = t_quantile((1 + confidence) / 2, len(differences) - 1) * deviation / math.sqrt(len(differences))
    return Interval(mean - half, mean + half)


def t_quantile(probability: float, freedom: float) -> float:
    """The quantile of Student's t with so many degrees of freedom, which need not be whole."""
    from scipy.special import stdtrit  # here: it takes a tenth of a second that kdsearch --help must not wait for

    return float(stdtrit(freedom, probability))
