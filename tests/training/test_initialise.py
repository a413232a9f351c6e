from __future__ import annotations

import pytest
import torch
from torch import nn

from kdsearch.training.initialise import initialise, unrenewed


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


class Bare(nn.Module):
    """Parameters of every kind that no layer resets."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.attention = nn.MultiheadAttention(8, 2)  # its in_proj_weight is reset by a method of another name
        self.places = nn.Parameter(torch.randn(1, 36, 8) * 0.02)
        self.gain = nn.Parameter(torch.full((8,), 1e-6))
        self.power = nn.Parameter(torch.tensor(3.0))
        self.slope = nn.PReLU()
        self.edge = nn.Conv2d(3, 3, 3, groups=3)
        self.still = nn.BatchNorm2d(3)
        for fixed in (self.edge.weight, *self.still.parameters()):
            fixed.requires_grad_(False)
        self.table = nn.Parameter(torch.arange(4), requires_grad=False)
        self.register_buffer("blur", torch.rand(3, 1, 3, 3))

    def forward(self, image_BCHW):
        return image_BCHW


def trained_bare(shift: float) -> Bare:
    """As after some training: what learns has other values, by the same amount everywhere."""
    torch.manual_seed(0)
    net = Bare()
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.requires_grad and parameter.numel() > 1:
                parameter.copy_(parameter[torch.randperm(len(parameter))] + shift * torch.rand_like(parameter))
        net.still.running_mean.fill_(0.7)
    return net


@pytest.mark.parametrize("name", ["places", "attention.in_proj_weight", "conv.weight", "edge.bias", "slope.weight"])
def test_nothing_that_was_learned_stays(name):
    net = trained_bare(0.5)
    with torch.no_grad():
        net.slope.weight.fill_(0.4)
    learned = net.get_parameter(name).detach().clone()
    initialise(net, 3)
    assert not bool((net.get_parameter(name) == learned).any())


def test_a_bare_parameter_keeps_its_mean_and_deviation():
    net = Bare()
    before = net.places.detach().clone()
    initialise(net, 3)
    after = net.places.detach()
    assert abs(float(after.mean() - before.mean())) < 0.005
    assert abs(float(after.std() / before.std()) - 1) < 0.2
    assert abs(float(torch.corrcoef(torch.stack([before.flatten(), after.flatten()]))[0, 1])) < 0.2


def test_constants_stay_themselves():
    net = Bare()
    initialise(net, 3)
    assert torch.equal(net.gain, torch.full((8,), 1e-6))


def test_frozen_parameters_and_the_statistics_beside_them_stay_as_given():
    net = trained_bare(0.5)
    given = {name: value.clone() for name, value in net.state_dict().items()}
    initialise(net, 3)
    for name in ("edge.weight", "still.weight", "still.running_mean", "table", "blur"):
        assert torch.equal(net.state_dict()[name], given[name]), name


def test_single_numbers_and_moved_buffers_outside_layers_are_named():
    assert unrenewed(Bare()) == ["power"]
    assert unrenewed(Bare(), ["blur", "still.running_mean"]) == ["power", "blur"]
