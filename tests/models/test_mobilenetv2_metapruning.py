"""MetaPruning's MobileNetV2 supernet, against what the paper says of it."""

from __future__ import annotations

import pytest
from torch import nn

from kdsearch.cost.flops import count_macs
from kdsearch.models.mobilenetv2_metapruning import InvertedResidual, mobilenetv2_metapruning


@pytest.fixture(scope="module")
def net():
    return mobilenetv2_metapruning(1000, 3, 1.0).eval()


def test_the_channels_are_1_4_times_mobilenetv2_s(net):
    blocks = [block for block in net.blocks if isinstance(block, InvertedResidual)]
    leaving = [block.project[0].out_channels for block in blocks]
    assert leaving == [22, *[33] * 2, *[44] * 3, *[88] * 4, *[132] * 3, *[224] * 3, 448]
    inner = [block.expand[0].out_channels for block in blocks]
    arriving = [44, *leaving[:-1]]
    assert inner == [44, *(6 * size for size in arriving[1:])]
    assert all(block.depthwise[0].groups == size for block, size in zip(blocks, inner, strict=True))


def test_shortcuts_are_where_a_stage_repeats_a_block(net):
    assert [block.has_shortcut for block in net.blocks] == [
        False, False, True, False, True, True, False, True, True, True, False, True, True, False, True, True, False,
    ]  # fmt: skip


def test_it_costs_what_the_paper_s_supernet_costs_on_imagenet(net):
    classifier = 1280 * 1000
    convolutions = (count_macs(net, (3, 64, 64)) - classifier) * (224 / 64) ** 2
    assert convolutions + classifier == pytest.approx(585e6, rel=0.05)  # of x1.4, which lacks the first expansion


def test_there_is_one_convolution_for_the_stem_and_one_for_the_head_beside_three_a_block(net):
    assert sum(isinstance(module, nn.Conv2d) for module in net.modules()) == 2 + 3 * 17
