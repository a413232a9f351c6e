from __future__ import annotations

import pytest

from kdsearch.bench.score import Case, run
from kdsearch.spec.sections import StudentOptions

pytestmark = [pytest.mark.medium, pytest.mark.timeout(120)]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KDSEARCH_CACHE", str(tmp_path))


def test_scoring_costs_little_more_than_forward_passes_and_the_search_leaves_nothing(tmp_path):
    case = Case(StudentOptions(net="resnet20", width=0.5), calibration=128, validation=256)
    rows = []
    measured = run(genes=5, trials=8, chosen=[case], on_row=rows.append)
    assert measured["suite"] == "score"
    assert measured["cases"] == rows
    assert rows[0]["net"] == "resnet20"
    assert measured["ratio"] == rows[0]["ratio"]
    assert 0.7 < measured["ratio"] < 1.5  # the bench itself says the exact figure on a quiet machine
    assert 0 < measured["overhead_ms"] < 200
    assert not list(tmp_path.glob("*/run"))
