from __future__ import annotations

import torch
from torch import nn

from kdsearch.training.initialise import initialise


def test_same_seed_same_weights_whatever_was_there():
    nets = [nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 2)) for _ in range(3)]
    for net, seed in zip(nets, (4, 4, 5), strict=True):
        with torch.no_grad():
            net[1].weight.fill_(9)
            net[1].running_mean.fill_(9)
        initialise(net, seed)
    states = [net.state_dict() for net in nets]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not torch.equal(states[0]["0.weight"], states[2]["0.weight"])
    assert torch.equal(states[0]["1.weight"], torch.ones(8))
    assert torch.equal(states[0]["1.running_mean"], torch.zeros(8))


def test_convolutions_keep_the_gradients_size_by_group():
    plain, depthwise = nn.Conv2d(64, 128, 3), nn.Conv2d(512, 512, 3, groups=512)
    for conv, fan_out in ((plain, 128 * 9), (depthwise, 9)):
        initialise(conv, 0)
        assert abs(conv.weight.std().item() / (2 / fan_out) ** 0.5 - 1) < 0.05
        assert conv.bias.abs().sum().item() == 0


def test_torchs_own_generator_is_left_alone():
    layer = nn.Linear(3, 3)
    before = torch.get_rng_state()
    initialise(layer, 0)
    assert torch.equal(torch.get_rng_state(), before)
