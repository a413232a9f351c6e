from __future__ import annotations

import pytest

from kdsearch.bench.score import Case, measure_overhead, run
from kdsearch.sections import StudentOptions

pytestmark = [pytest.mark.medium, pytest.mark.timeout(120)]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KDSEARCH_CACHE", str(tmp_path))


def test_scoring_costs_little_more_than_the_forward_passes_it_needs():
    case = Case(StudentOptions(net="resnet20", width=0.5), calibration=128, validation=256)
    rows = []
    measured = run(genes=5, trials=5, chosen=[case], on_row=rows.append)
    assert measured["suite"] == "score"
    assert measured["cases"] == rows
    assert rows[0]["net"] == "resnet20"
    assert measured["ratio"] == rows[0]["ratio"]
    assert 0.7 < measured["ratio"] < 1.5  # the bench itself says the exact figure on a quiet machine


def test_the_search_around_the_scores_takes_milliseconds_and_leaves_nothing(tmp_path):
    assert 0 < measure_overhead(10) < 200
    assert not list(tmp_path.glob("*/run"))
