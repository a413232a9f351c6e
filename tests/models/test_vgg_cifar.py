"""The VGG nets for 32-pixel images, against counts worked by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kdsearch.models.vgg_cifar import vgg11_bn_cifar, vgg16_bn_cifar

STAGES = {
    vgg11_bn_cifar: ((64,), (128,), (256, 256), (512, 512), (512, 512)),
    vgg16_bn_cifar: ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3),
}


@pytest.mark.parametrize("make", list(STAGES))
def test_it_has_as_many_parameters_as_counted_by_hand(make):
    sizes = [size for stage in STAGES[make] for size in stage]
    convs = sum(9 * before * after for before, after in zip([3, *sizes], sizes, strict=False))
    expected = convs + 2 * sum(sizes) + 512 * 10 + 10
    assert sum(parameter.numel() for parameter in make(10, 3, 1.0).parameters()) == expected


@pytest.mark.parametrize("make", list(STAGES))
def test_each_stage_but_the_first_sees_half_the_pixels_of_the_one_before(make):
    net = make(7, 1, 0.125).eval()
    seen = []
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda _, __, features: seen.append(tuple(features.shape[1:])))
    assert net(torch.zeros(2, 1, 32, 32)).shape == (2, 7)
    sides = (32, 16, 8, 4, 2)
    assert seen == [(size // 8, side, side) for stage, side in zip(STAGES[make], sides, strict=True) for size in stage]
