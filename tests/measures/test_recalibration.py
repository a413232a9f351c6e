"""Batch-norm statistics pooled over images, against one look at all of them."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from kdsearch.measures.recalibration import recalibrate_batch_norm


def noise(count: int, seed: int = 0) -> torch.Tensor:
    """Images that differ in brightness and contrast, so that a few of them are no sample of all."""
    generator = torch.Generator().manual_seed(seed)
    scale, shift = torch.rand(2, count, 1, 1, 1, generator=generator) * 4
    return torch.randn(count, 3, 6, 6, generator=generator) * scale + shift


@pytest.mark.parametrize("sizes", [(50,), (25, 25), (48, 2), (49, 1), (20, 20, 10), (1,) * 50])
def test_the_statistics_are_those_of_all_images_whatever_the_split(sizes):
    images = noise(50)
    net = nn.BatchNorm2d(3)
    recalibrate_batch_norm(net, images.split(sizes))
    values = images.double().transpose(0, 1).flatten(1)
    torch.testing.assert_close(net.running_mean.double(), values.mean(1), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(net.running_var.double(), values.var(1), rtol=1e-5, atol=1e-6)


def test_two_images_left_over_weigh_as_two_in_every_layer():
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU()]
    net = nn.Sequential(*layers, *copy.deepcopy(layers), *copy.deepcopy(layers))
    images, odd = noise(128), noise(2, seed=1)
    apart = []
    for batches in ([images], [images, odd]):
        recalibrate_batch_norm(net, batches)
        with torch.no_grad():
            apart.append(net.eval()(images))
    assert float((apart[0] - apart[1]).abs().mean() / apart[0].std()) < 0.02  # 0.085 where the two count as a half


def test_one_norm_called_twice_pools_both_calls():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(3)

        def forward(self, image_BCHW):
            return self.norm(image_BCHW) + self.norm(image_BCHW[..., :3] * 2)[..., :1]

    net, images = Twice(), noise(20)
    recalibrate_batch_norm(net, images.split(8))
    values = torch.cat([images.transpose(0, 1).flatten(1), (images[..., :3] * 2).transpose(0, 1).flatten(1)], 1)
    torch.testing.assert_close(net.norm.running_mean, values.mean(1), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(net.norm.running_var, values.var(1), rtol=1e-5, atol=1e-6)


def test_momentum_modes_and_hooks_are_as_before():
    net = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm2d(3), nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2, momentum=0.3)).train()
    recalibrate_batch_norm(net, list(noise(20).split(5)))
    assert (net[1].momentum, net[3].momentum) == (0.1, 0.3)
    assert all(module.training and not module._forward_hooks for module in net.modules())


def test_what_was_there_is_forgotten_and_no_weight_changes(make_net):
    one, other = make_net(0), make_net(0)
    with torch.no_grad():
        other[1].running_mean.fill_(7)
    weights = copy.deepcopy(dict(one.named_parameters()))
    images = [torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(1))]
    for net in (one, other):
        recalibrate_batch_norm(net, images)
    assert torch.equal(one[1].running_mean, other[1].running_mean)
    assert all(torch.equal(value, weights[key]) for key, value in one.named_parameters())
