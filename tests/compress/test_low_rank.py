"""The rank that an energy asks for, and what the two layers compute."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from kdsearch.compress.low_rank import LowRank
from kdsearch.cost.flops import count_macs
from tests.toys import SHAPE, toy_context


@pytest.fixture
def ctx(tmp_path):
    return toy_context(tmp_path)


def _low_rank_conv(rank: int, *, bias: bool) -> nn.Conv2d:
    conv = nn.Conv2d(1, 32, 5, stride=2, padding=2, bias=bias)
    generator = torch.Generator().manual_seed(0)
    left, right = torch.randn(32, rank, generator=generator), torch.randn(rank, 25, generator=generator)
    conv.weight.data = (left @ right).reshape(32, 1, 5, 5)
    return conv


def _head(inputs: int) -> nn.Sequential:
    return nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(inputs, 3))


@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_of_rank_three_is_cut_there_and_computes_the_same(ctx, bias):
    net = nn.Sequential(_low_rank_conv(3, bias=bias), _head(32 * 16)).eval()
    made = LowRank(LowRank.Options(energy=1 - 1e-9)).apply(net, ctx)
    assert isinstance(made[0], nn.Sequential)
    assert made[0][0].out_channels == 3
    images = torch.rand(4, *SHAPE)
    torch.testing.assert_close(made(images), net(images), rtol=1e-4, atol=1e-4)
    assert count_macs(made, SHAPE) == 16 * 3 * (25 + 32) + 32 * 16 * 3


def test_the_rank_holds_the_energy_and_no_less_rank_does(ctx):
    linear = nn.Linear(64, 3, bias=False)
    linear.weight.data = torch.zeros(3, 64)
    linear.weight.data[:, :3] = torch.diag(torch.tensor([3.0, 2.0, 1.0]))  # energies 9, 4, 1 of 14
    net = nn.Sequential(nn.Flatten(), linear).eval()
    ranks = {energy: LowRank(LowRank.Options(energy=energy)).apply(net, ctx)[1] for energy in (0.6, 0.9, 0.99)}
    assert ranks[0.6][0].out_features == 1  # 9/14 = 0.643
    assert ranks[0.9][0].out_features == 2  # 13/14 = 0.929
    assert isinstance(ranks[0.99], nn.Linear)  # rank 3 would cost more than the layer


def test_layers_that_the_net_does_not_call_and_layers_in_groups_stay(ctx):
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.read = _low_rank_conv(1, bias=False)
            self.grouped = nn.Conv2d(32, 32, 3, groups=32)
            self.head = nn.Linear(32, 3)

        def forward(self, image_BCHW: Tensor) -> Tensor:
            features = nn.functional.conv2d(image_BCHW, self.read.weight, stride=2, padding=2)
            return self.head(self.grouped(features).mean((2, 3)))

    made = LowRank(LowRank.Options(energy=0.5)).apply(Odd().eval(), ctx)
    assert isinstance(made.read, nn.Conv2d)
    assert isinstance(made.grouped, nn.Conv2d)
