from __future__ import annotations

import numpy as np
import pytest

from kdsearch.bench.base_ground_truth import make_world
from kdsearch.bench.base_proxies import Proxy
from kdsearch.bench.ranking import GENERATORS, describe_truth, proxies, run
from kdsearch.strategies.metapruning import MetaPruning
from tests.bench.test_base_ground_truth import SMALL

pytestmark = [pytest.mark.medium, pytest.mark.timeout(120)]
DEFAULT = MetaPruning.Options()
USUAL = Proxy(DEFAULT.generator, DEFAULT.init, DEFAULT.sampling)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KDSEARCH_CACHE", str(tmp_path))


def test_the_table_has_every_generator_and_every_choice_of_the_default_one():
    labels = [proxy.label for proxy in proxies()]
    assert {proxy.generator for proxy in proxies()} == set(GENERATORS)
    assert USUAL.label in labels
    assert len(set(labels)) == len(labels) == 8


def test_a_quick_run_measures_what_a_full_one_does():
    rows = []
    measured = run(quick=True, chosen=[USUAL, Proxy("slim", trained=False)], on_row=rows.append)
    assert np.array(measured["accuracies"]).shape == (2, 4)
    assert [row["tau"] for row in measured["proxies"]] == [row["tau"] for row in rows[-2:]]
    trained, untrained = measured["proxies"]
    assert (trained["steps"], untrained["steps"]) == (2, 0)
    for row in (trained, untrained):
        assert row["interval"][0] <= row["tau"] <= row["interval"][1]
        assert row["regret"] >= 0
        assert len(row["scores"]) == measured["genes"] == 4
    assert measured["tau"] == trained["tau"]


def test_the_truths_figures_are_those_of_its_accuracies():
    truth_SN = np.array([[0.5, 0.6, 0.8], [0.5, 0.7, 0.8]])
    found = describe_truth(make_world(SMALL), truth_SN)
    assert found["truth"]["lowest"] == 0.5
    assert found["truth"]["highest"] == 0.8
    assert found["truth"]["seed_sd"] == pytest.approx((0.005 / 3) ** 0.5, abs=1e-4)
    assert found["ceiling"]["between_seeds"] == found["ceiling"]["one_against_rest"] == 1
