"""The bench of samplers is the test of its own claim: an epoch shows every image once."""

from __future__ import annotations

import pytest

from kdsearch.bench import samplers
from kdsearch.errors import SpecError


def test_an_epoch_shows_at_least_999_of_1000_images_and_none_twice():
    cases = samplers.run(images=6_000, classes=20, epochs=2)["cases"]
    assert [case["sampler"] for case in cases] == [
        "uniform",
        "class_balanced",
        "class_balanced, long tail",
        "superclass",
    ]
    for case in cases:
        assert case["coverage"] >= 0.999
        assert case["repeats"] == 0


def test_what_the_bench_counts_is_what_is_shown():
    class Bad(samplers.Uniform):
        def order(self, epoch):
            shown = super().order(epoch).clone()
            shown[:10] = shown[10:20]
            return shown

    found = samplers._measure(Bad(1000, batch_size=10, seed=0), 1000, 2)
    assert (found["coverage"], found["repeats"]) == (0.99, 20)


def test_too_few_images_are_a_line():
    with pytest.raises(SpecError, match=r"images must be 100 a class or more"):
        samplers.run(images=50, classes=10)
