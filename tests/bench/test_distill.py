"""The bench of a teacher's cost measures what it says."""

from __future__ import annotations

import pytest
import torch

from kdsearch.bench import distill


@pytest.mark.medium
@pytest.mark.timeout(120)
def test_each_case_has_its_times_and_targets():
    threads = torch.get_num_threads()
    cases = distill.run(images=128, blocks=1, steps=2)["cases"]
    assert torch.get_num_threads() == threads
    assert [case["net"] for case in cases] == ["resnet56 -> resnet20", "resnet20 -> resnet20 x 0.25"]
    for case in cases:
        assert case["plain_ms"] > 0
        assert case["online_ms"] > case["plain_ms"]
        assert case["cached_ratio"] == pytest.approx(case["cached_ms"] / case["plain_ms"])
        assert case["speedup"] == pytest.approx(case["online_ms"] / case["cached_ms"])
        assert case["cached_target"] == 1.08
