"""What every compression pass must do; a new file in ``kdsearch/compress`` is tested here by itself."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from kdsearch import registry
from kdsearch.compress.base import CompressionPass
from kdsearch.cost.deployed import Deployed, freeze_trace
from kdsearch.cost.flops import count_costs
from tests.toys import SHAPE, make_toy, toy_context

PACKAGE = "kdsearch.compress"
NAMES = registry.available(PACKAGE)


@pytest.fixture(params=NAMES)
def made(request) -> CompressionPass:
    kind = registry.find(PACKAGE, request.param)
    return kind(kind.Options())


@pytest.fixture
def ctx(tmp_path):
    return toy_context(tmp_path)


def _images() -> torch.Tensor:
    return torch.rand(5, *SHAPE, generator=torch.Generator().manual_seed(3))


def test_there_is_one():
    assert NAMES


def test_the_net_given_stays_as_it_is_and_the_new_one_answers_likewise_shaped(made, ctx):
    net = make_toy(trained=True).eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    modules = [name for name, _ in net.named_modules()]
    compressed = made.apply(net, ctx)
    assert compressed is not net
    assert not compressed.training
    assert [name for name, _ in net.named_modules()] == modules
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert compressed(_images()).shape == net(_images()).shape


def test_the_same_net_gives_the_same_net(made, ctx):
    net = make_toy(trained=True).eval()
    first, second = (made.apply(copy.deepcopy(net), ctx)(_images()) for _ in range(2))
    assert torch.equal(first, second)


def test_the_new_net_can_be_counted_traced_and_costs_no_more(made, ctx):
    net = make_toy(trained=True).eval()
    compressed = made.apply(net, ctx)
    before, after = count_costs(net, SHAPE), count_costs(compressed, SHAPE)
    assert all(after[name] <= before[name] for name in before)
    deployed = Deployed(compressed, (0.3,), (0.3,))
    traced = freeze_trace(deployed, _images()[:1])
    torch.testing.assert_close(traced(_images()), deployed(_images()), rtol=1e-4, atol=1e-4)


def test_a_net_with_nothing_to_gain_comes_back_whole(made, ctx):
    class Bare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))

        def forward(self, image_BCHW: torch.Tensor) -> torch.Tensor:
            return self.scale * image_BCHW.mean((2, 3)).repeat(1, 3)

    assert torch.equal(made.apply(Bare().eval(), ctx)(_images()), Bare()(_images()))
