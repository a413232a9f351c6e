"""Agreement of orders: by hand, and how often its interval holds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kdsearch.measures.ranks import rank_agreement


def test_tau_is_that_of_the_pairs_counted_by_hand():
    row = [(1.0, 2.0), (2.0, 1.0), (3.0, 3.0), (4.0, 4.0), (5.0, 5.0)]  # one pair of ten is turned round
    found = rank_agreement([row])
    assert found is not None
    assert found.tau == pytest.approx(0.8)
    half = 1.96 * math.sqrt(0.437)
    assert (found.low, found.high) == pytest.approx(
        (math.tanh(math.atanh(0.8) - half), math.tanh(math.atanh(0.8) + half))
    )
    assert found.count == 5


@pytest.mark.parametrize("rows", [[], [[(1.0, 1.0)] * 4], [[(1.0, 2.0)] * 3, [(1.0, 2.0)] * 4]])
def test_of_too_few_nothing_is_said(rows):
    assert rank_agreement(rows) is None


def test_rows_are_compared_within_themselves_only():
    up = [(float(at), float(at)) for at in range(6)]
    far = [(at + 100.0, at - 100.0) for at in range(6)]  # as one row its order would be mostly the other way round
    both = rank_agreement([up, far])
    assert both is not None
    assert both.tau > 0.9
    assert both.count == 12


@pytest.mark.parametrize("count", [6, 9, 16])
def test_scores_that_know_nothing_seldom_leave_zero_out(count):
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(1000):
        found = rank_agreement([rng.normal(size=(count, 2)).tolist()])
        assert found is not None
        wrong += found.low > 0
    assert wrong / 1000 < 0.04
