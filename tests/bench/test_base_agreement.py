from __future__ import annotations

import itertools

import numpy as np
import pytest

from kdsearch.bench.base_agreement import (
    bootstrap_interval,
    chance_of_tau,
    gain_interval,
    gained_truth,
    kendall_tau,
    picked_truth,
    seed_deviation,
    tau_against_rest,
    tau_between_seeds,
)


def numbers(*values):
    return np.array(values, dtype=np.float64)


def test_tau_b_with_ties_equals_the_count_by_hand():
    # of the ten pairs of five, (0, 1) tie in the first and (3, 4) in the second; (0, 2) and (1, 2) are discordant
    first, second = numbers(1, 1, 2, 3, 4), numbers(2, 3, 1, 5, 5)
    concordant, discordant = 6, 2
    assert kendall_tau(first, second) == pytest.approx((concordant - discordant) / (9 * 9) ** 0.5)


def test_tau_is_one_for_an_order_and_minus_one_for_its_reverse():
    order = numbers(3, 1, 2)
    assert kendall_tau(order, 10 * order) == 1
    assert kendall_tau(order, -order) == -1


@pytest.mark.parametrize("count", [4, 5])
def test_the_chance_of_a_tau_is_its_share_of_all_orders(count):
    fixed = np.arange(count, dtype=np.float64)
    taus = [kendall_tau(fixed, np.array(order, dtype=np.float64)) for order in itertools.permutations(range(count))]
    for tau in sorted(set(taus)):
        exact = sum(each >= tau - 1e-9 for each in taus) / len(taus)
        assert chance_of_tau(tau, count) == pytest.approx(exact, abs=0.035)


def test_what_does_not_differ_orders_nothing():
    assert kendall_tau(numbers(1, 1, 1), numbers(1, 2, 3)) == 0


def test_ceilings_are_means_over_seeds():
    # tau of the rows: (a, b) 1/3, (a, c) -1, (b, c) -1/3
    truth_SN = np.array([[1.0, 2.0, 3.0], [1.0, 3.0, 2.0], [3.0, 2.0, 1.0]])
    assert tau_between_seeds(truth_SN) == pytest.approx((1 / 3 - 1 - 1 / 3) / 3)
    # the others' means: a against (2, 2.5, 1.5), b against (2, 2, 2), c against (1, 2.5, 2.5)
    assert tau_against_rest(truth_SN) == pytest.approx((-1 / 3 + 0 - 2 / 6**0.5) / 3)


def test_the_interval_is_that_of_the_seed_and_holds_the_mean():
    values = np.arange(20, dtype=np.float64)
    low, high = bootstrap_interval(lambda at: float(values[at].mean()), 20, seed=3)
    assert (low, high) == bootstrap_interval(lambda at: float(values[at].mean()), 20, seed=3)
    assert (low, high) != bootstrap_interval(lambda at: float(values[at].mean()), 20, seed=4)
    half = 1.96 * float(values.std()) / 20**0.5  # of the normal approximation
    assert low == pytest.approx(9.5 - half, abs=0.3)
    assert high == pytest.approx(9.5 + half, abs=0.3)


def test_the_pick_is_the_best_score_and_equals_share_it():
    truth = numbers(0.5, 0.7, 0.9)
    assert picked_truth(numbers(3, 2, 1), truth) == 0.5
    assert picked_truth(numbers(1, 2, 2), truth) == pytest.approx(0.8)


def test_a_gain_is_over_the_mean_and_its_interval_tells_a_score_that_knows_from_one_that_does_not():
    truth = np.linspace(0.5, 0.9, 41)
    assert gained_truth(truth, truth) == pytest.approx(0.2)
    assert gain_interval(truth, truth)[0] > 0.1  # whichever of them there are, the best score is near the best truth
    blind = np.random.default_rng(1).permutation(truth)
    low, high = gain_interval(blind, truth)
    assert low < 0 < high


def test_seed_deviation_pools_the_variances_of_all_nets():
    # variances over two seeds: 0.5 (1, 2) and 2 (1, 3)
    assert seed_deviation(np.array([[1.0, 1.0], [2.0, 3.0]])) == pytest.approx(1.25**0.5)
