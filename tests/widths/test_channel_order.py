"""Channels in another order compute the same; sums reach every element that belongs to a channel."""

from __future__ import annotations

import copy

import pytest
import torch

from kdsearch.widths.channel_order import channel_sums, permuted
from tests.toys import bars, make_toy, toy_widths

pytestmark = pytest.mark.timeout(30)  # the first trace of a process takes seconds


def test_any_order_computes_the_same():
    net = make_toy(trained=True).eval()
    widths = toy_widths(net)
    random = torch.Generator().manual_seed(4)
    order = {group.name: torch.randperm(group.width, generator=random) for group in widths.groups}
    images = bars(16, 9).images_NCHW.float() / 255
    moved = copy.deepcopy(net)
    tensors = dict(net.named_parameters()) | dict(net.named_buffers())
    with torch.no_grad():
        changed = permuted(widths, order, tensors)
        for name, held in (dict(moved.named_parameters()) | dict(moved.named_buffers())).items():
            held.copy_(changed[name])
        torch.testing.assert_close(moved(images), net(images), rtol=1e-5, atol=1e-5)
    assert not torch.equal(moved.stem[0].weight, net.stem[0].weight)


def test_place_r_takes_what_the_order_says():
    net = make_toy(trained=True)
    widths = toy_widths(net)
    order = {group.name: torch.arange(group.width).flip(0) for group in widths.groups}
    tensors = dict(net.named_parameters())
    flipped = permuted(widths, order, tensors)
    assert torch.equal(flipped["stem.0.weight"], net.stem[0].weight.flip(0))
    assert torch.equal(flipped["point.0.weight"], net.point[0].weight.flip(0).flip(1))
    # behind the concatenation the 12 channels of the trunk and the 8 of the branch keep their own places
    inputs = torch.cat([torch.arange(12).flip(0), torch.arange(12, 20).flip(0)])
    assert torch.equal(flipped["last.0.weight"], net.last[0].weight.flip(0)[:, inputs])


def test_sums_are_over_everything_that_belongs_to_a_channel():
    net = make_toy()
    widths = toy_widths(net)
    ones = {name: torch.ones_like(value) for name, value in net.named_parameters()}
    sums = channel_sums(widths, ones)
    by_layer = {group.name: sums[group.name] for group in widths.groups}
    found = sorted((len(values), float(values[0])) for values in by_layer.values())
    assert all((values == values[0]).all() for values in by_layer.values())
    # stem: 9 + norm 2 + depthwise 9 + norm 2 + read by point 12
    # trunk: point 8 + 2, block out 108 + 2, block in 108, branch in 8, last in 90
    # branch: 12 + bias 1, last in 90; last: 180 + 2, read by the classifier 3
    assert found == [(8, 34.0), (8, 103.0), (10, 185.0), (12, 326.0)]
