"""What it takes for a proxy to count as one that ranks, by simulated truths."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from kdsearch.bench.base_agreement import kendall_tau, tau_against_rest
from kdsearch.bench.ranking import judge_tau

GENES, SEEDS, RUNS = 16, 3, 300


def passes(noise: float, skill: float) -> float:
    """The share of studies in which a proxy passes: genes of deviation 1, trainings that differ by ``noise``.

    A proxy of ``skill`` 1 says what the genes are worth, one of 0 something else.
    """
    rng = np.random.default_rng(0)
    passed = 0
    for _ in range(RUNS):
        worth_N = rng.normal(size=GENES)
        truth_SN = worth_N + noise * rng.normal(size=(SEEDS, GENES))
        score_N = skill * worth_N + (1 - skill) * rng.normal(size=GENES)
        tau, ceiling = kendall_tau(score_N, truth_SN.mean(0)), tau_against_rest(truth_SN)
        # the bootstrap of each would take minutes; without it a proxy passes more easily
        passed += judge_tau(tau, (1e-9, 1.0), ceiling, GENES)["reached"]
    return passed / RUNS


@pytest.mark.parametrize("noise", [0.0, 0.3, 1.0, 3.0, 30.0])
def test_a_proxy_that_knows_nothing_passes_in_one_case_of_twenty_at_most(noise):
    assert passes(noise, skill=0.0) <= 0.05


def test_noise_of_the_truth_makes_nothing_easier():
    for skill in (0.0, 0.5, 0.7, 1.0):
        shares = [passes(noise, skill) for noise in (0.5, 1.0, 2.0, 8.0)]
        assert all(later <= before + 0.03 for before, later in itertools.pairwise(shares))
    assert passes(0.5, skill=0.8) > 0.7  # and one that does know passes


@pytest.mark.parametrize(
    ("tau", "low", "ceiling", "reached"),
    [
        (0.40, 0.05, 0.45, True),
        (0.40, -0.01, 0.45, False),  # its own interval holds zero
        (0.33, 0.05, 0.35, False),  # chance has such a tau of 16 nets in 4 cases of 100
        (0.40, 0.05, 0.60, False),  # far below what one training does
        (0.55, 0.05, 0.95, True),  # 0.8 of the target will do
    ],
)
def test_it_must_leave_chance_behind_and_come_near_the_ceiling(tau, low, ceiling, reached):
    assert judge_tau(tau, (low, 1.0), ceiling, GENES)["reached"] is reached
