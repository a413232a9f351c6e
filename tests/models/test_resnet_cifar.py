"""The ResNets for 32-pixel images, against counts worked by hand."""

from __future__ import annotations

import pytest
import torch

from kdsearch.models.resnet_cifar import resnet8, resnet20, resnet56


@pytest.mark.parametrize(("make", "blocks"), [(resnet8, 1), (resnet20, 3), (resnet56, 9)])
def test_a_net_of_n_blocks_a_stage_has_as_many_parameters_as_counted_by_hand(make, blocks):
    sizes = (16, 32, 64)
    expected = 3 * 16 * 9 + 2 * 16 + 64 * 10 + 10
    for before, size in zip((16, 16, 32), sizes, strict=True):
        first = before * size * 9 + size * size * 9 + 4 * size
        shortcut = before * size + 2 * size if before != size else 0
        expected += first + shortcut + (blocks - 1) * (2 * size * size * 9 + 4 * size)
    net = make(10, 3, 1.0)
    assert sum(parameter.numel() for parameter in net.parameters()) == expected
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_width_multiplies_the_channels_of_every_stage():
    shapes = [stage[0].conv2.weight.shape[0] for stage in resnet20(10, 1, 0.25).stages]
    assert shapes == [4, 8, 16]
