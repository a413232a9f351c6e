"""How well two orders of the same things agree, and how sure that is.

N: things ordered, S: seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from math import erfc, sqrt

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

_DRAWS = 2000


def kendall_tau(first_N: Numbers, second_N: Numbers) -> float:
    """Kendall's tau-b, -1..1 (Kendall 1945): concordant less discordant pairs, over what ties leave of each order.

    0 where one of them orders nothing.
    """
    rises = np.sign(first_N[:, None] - first_N[None, :])
    climbs = np.sign(second_N[:, None] - second_N[None, :])
    ordered = float(np.sqrt(np.abs(rises).sum() * np.abs(climbs).sum()))
    return float((rises * climbs).sum()) / ordered if ordered else 0.0


def chance_of_tau(tau: float, count: int) -> float:
    """How likely an order that has nothing to do with another of ``count`` things has this tau or a higher one.

    By the normal law with the variance 2 (2n + 5) / 9n (n - 1) of tau (Kendall 1938) and half a step for continuity.
    """
    if count < 2:
        return 1.0
    step = 2 / (count * (count - 1))
    deviation = sqrt(2 * (2 * count + 5) / (9 * count * (count - 1)))
    return 0.5 * erfc((tau - step) / deviation / sqrt(2))


def bootstrap_interval(
    statistic: Callable[[NDArray[np.int64]], float], count: int, *, seed: int = 0
) -> tuple[float, float]:
    """The central 95% of ``statistic`` over 2,000 resamples of ``count`` places, with replacement (percentile method).

    A place that is drawn twice is tied with itself and so orders nothing.
    """
    rng = np.random.default_rng(seed)
    values = [statistic(rng.integers(count, size=count)) for _ in range(_DRAWS)]
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


def tau_between_seeds(truth_SN: Numbers) -> float:
    """Mean tau over pairs of seeds: how far one training's order can be trusted to predict another's."""
    return float(np.mean([kendall_tau(one, other) for one, other in combinations(truth_SN, 2)]))


def tau_against_rest(truth_SN: Numbers) -> float:
    """Mean tau of one seed against the mean of the others: what a proxy that trains every net once would reach."""
    return float(
        np.mean([kendall_tau(one, np.delete(truth_SN, at, axis=0).mean(axis=0)) for at, one in enumerate(truth_SN)])
    )


def picked_truth(score_N: Numbers, truth_N: Numbers) -> float:
    """The truth of the thing with the best score; of equals the mean."""
    return float(truth_N[score_N == score_N.max()].mean())


def gained_truth(score_N: Numbers, truth_N: Numbers) -> float:
    """By how much the truth of the thing with the best score exceeds the mean truth."""
    return picked_truth(score_N, truth_N) - float(truth_N.mean())


def gain_interval(score_N: Numbers, truth_N: Numbers) -> tuple[float, float]:
    """The 95% bootstrap interval of ``gained_truth`` over things: of which ones one might have picked from."""
    return bootstrap_interval(lambda at: gained_truth(score_N[at], truth_N[at]), truth_N.size)


def seed_deviation(truth_SN: Numbers) -> float:
    """Standard deviation of one seed's result around the mean of the seeds, pooled over all things."""
    return float(np.sqrt(truth_SN.var(axis=0, ddof=1).mean()))
