from __future__ import annotations

import pytest

from kdsearch.bench.dafl import run
from kdsearch.errors import SpecError


@pytest.mark.timeout(60)
def test_a_case_has_an_accuracy_for_each_seed_their_mean_and_how_far_they_lie_apart():
    told = []
    small = {"student_steps": 2, "synthesis": {"width": 4, "batch_size": 16, "bank": 200, "probe": 32, "test": 16}}
    found = run(cpu_seconds=[0.5], seeds=2, options=small, forecast=False, on_row=told.append)
    (case,) = found["cases"]
    assert told == [case]
    assert case["recipe"] == "fast"
    assert len(case["seeds"]) == 2
    assert case["mean"] == pytest.approx(sum(case["seeds"]) / 2, abs=0.02)
    assert case["spread"] == pytest.approx(max(case["seeds"]) - min(case["seeds"]), abs=0.02)
    assert 0 < case["cpu_s"] < 20
    assert found["teacher_accuracy"] > 95


@pytest.mark.parametrize(
    ("given", "said"), [({"recipes": ["fats"]}, "recipes: .*did you mean 'fast'"), ({"seeds": 0}, "at least 1")]
)
def test_what_cannot_be_measured_is_refused(given, said):
    with pytest.raises(SpecError, match=said):
        run(**given)
