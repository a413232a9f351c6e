"""Ways to score a net without training it."""

from __future__ import annotations

import numpy as np
import pytest

from kdsearch.bench.base_ground_truth import make_world
from kdsearch.bench.base_proxies import Effort, Proxy, ProxyTrial
from tests.bench.test_base_ground_truth import SMALL

pytestmark = [pytest.mark.medium, pytest.mark.timeout(120)]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KDSEARCH_CACHE", str(tmp_path))


def test_sandwich_steps_are_a_quarter_as_many():
    world = make_world(SMALL)
    trial = ProxyTrial(world, Effort(epochs=8, pretrain_epochs=1))
    truth_N = np.array([0.1, 0.2, 0.3])
    assert trial.row(Proxy("slim", "scratch"), truth_N)["steps"] == 16
    assert trial.row(Proxy("slim", "scratch", "sandwich"), truth_N)["steps"] == 4
