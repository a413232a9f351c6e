"""The bench of a PruningNet's step."""

from __future__ import annotations

import pytest

from kdsearch.bench.step import Case, cases, run
from kdsearch.spec.sections import StudentOptions


@pytest.mark.medium
@pytest.mark.timeout(120)
def test_both_steps_are_timed_for_every_generator_asked_for():
    case = Case("small", StudentOptions(net="resnet20", width=0.25, divisor=1), 16, 8, 0.5, (1.1, 2.0), 4)
    told: list[dict] = []
    found = run(generators=("slim", "paper"), repeats=2, chosen=[case], on_row=told.append)
    assert found["cases"] == told
    assert [(row["generator"], row["target"]) for row in told] == [("slim", 1.1), ("paper", 2.0)]
    for row in told:
        assert row["plain_ms"] > 0
        assert 0.2 < row["ratio"] < 50


def test_the_nets_and_scales_are_the_papers():
    assert [(case.label, case.scale) for case in cases()] == [
        ("mobilenetv2 x1.4", 0.55),
        ("mobilenetv2 x1.4", 0.25),
        ("resnet50", 0.55),
    ]
