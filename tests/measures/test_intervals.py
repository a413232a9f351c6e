"""Intervals of differences, against tables and against how often they hold."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest

from kdsearch.measures.intervals import Interval, Sample, difference_interval, paired_interval, t_quantile


@pytest.mark.parametrize(("freedom", "value"), [(1, 12.706), (2, 4.303), (4, 2.776), (10, 2.228), (1e9, 1.960)])
def test_quantiles_are_those_of_the_printed_table(freedom, value):
    assert t_quantile(0.975, freedom) == pytest.approx(value, abs=6e-4)


def test_equal_spreads_and_counts_have_the_freedom_of_the_pooled_test():
    found = difference_interval(Sample(0.71, 0.01, 3), Sample(0.70, 0.01, 3))
    half = 2.7764 * 0.01 * math.sqrt(2 / 3)
    assert (found.low, found.high) == (pytest.approx(0.01 - half, rel=1e-4), pytest.approx(0.01 + half, rel=1e-4))
    assert not found.excludes_zero


def test_where_one_side_never_varies_the_other_sides_freedom_is_left():
    found = difference_interval(Sample(1.0, 0.3, 3), Sample(0.0, 0.0, 3))
    assert found.high - 1.0 == pytest.approx(4.3027 * 0.3 / math.sqrt(3), rel=1e-4)


def test_without_any_spread_the_interval_is_the_difference():
    assert difference_interval(Sample(3.0, 0, 2), Sample(1.0, 0, 2)) == Interval(2.0, 2.0)


@pytest.mark.parametrize("counts", [(1, 3), (3, 1), (1, 1)])
def test_of_a_single_training_no_interval_is_given(counts):
    with pytest.raises(ValueError, match="needs 2 trainings of each"):
        difference_interval(*(Sample(0.5, 0.0, count) for count in counts))


@pytest.mark.parametrize("deviations", [(1.0, 1.0), (1.0, 3.0)])
def test_of_two_equal_nets_zero_is_excluded_in_one_case_of_twenty_at_most(deviations):
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(2000):
        drawn = [rng.normal(0, deviation, 3).tolist() for deviation in deviations]
        samples = [Sample(statistics.fmean(row), statistics.stdev(row), 3) for row in drawn]
        wrong += difference_interval(*samples).excludes_zero
    assert wrong / 2000 < 0.06  # comparing with the larger spread: 0.2


def test_differences_at_the_same_seed_are_judged_by_their_own_spread():
    """Mean 1, deviation 1, three pairs: 4.303 / sqrt(3) to either side."""
    found = paired_interval([0.0, 1.0, 2.0])
    assert (found.low, found.high) == pytest.approx((1 - 4.3027 / 3**0.5, 1 + 4.3027 / 3**0.5), abs=1e-4)
    assert paired_interval([1.0, 1.0]).excludes_zero
    with pytest.raises(ValueError, match="needs 2 differences"):
        paired_interval([1.0])
