"""Generators by name."""

from __future__ import annotations

import pytest

from kdsearch.pruningnet.making import make_generator
from tests.toys import make_toy, toy_widths

pytestmark = pytest.mark.timeout(30)  # the first trace of a process takes seconds


def test_sizes_are_the_ones_asked_for():
    net = make_toy()
    widths = toy_widths(net)
    assert make_generator("paper", net, widths).first_LHS.shape[1] == 64
    assert make_generator("paper", net, widths, hidden=7).first_LHS.shape[1] == 7
    assert make_generator("condscale", net, widths).trunk.hidden.out_features == 16
    assert make_generator("lowrank", net, widths, rank=5).full["block.0.weight:left"].shape == (12, 5)


def test_an_unknown_name_lists_the_known():
    net = make_toy()
    with pytest.raises(ValueError, match="unknown generator official; known: slim"):
        make_generator("official", net, toy_widths(net))


def test_the_trunk_starts_alike_in_every_process():
    net = make_toy()
    widths = toy_widths(net)
    first, second = (make_generator("condnorm", net, widths).trunk.hidden.weight for _ in range(2))
    assert first.equal(second)
