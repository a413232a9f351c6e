"""Blocks of branches become single layers in the exported net, at any width, and compute the same."""

from __future__ import annotations

import io

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from kdsearch.cost.deployed import Deployed, freeze_trace
from kdsearch.cost.flops import count_bytes, count_macs, count_parameters
from kdsearch.cost.fusing import delivered_costs, fuse_blocks
from kdsearch.cost.latency import compare_latency
from kdsearch.models.zoo import make_net
from kdsearch.spec.sections import StudentOptions, WidthOptions
from kdsearch.widths.finding import find_widths

pytestmark = pytest.mark.timeout(60)
IMAGES = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class RepVgg(nn.Module):
    """Three branches as RepVGG has them; ``kept`` sizes are remembered as other authors remember them."""

    def __init__(self, channels: int, *, wrong: bool = False) -> None:
        super().__init__()
        self.in_channels, self.wrong, self.deploy = channels, wrong, False
        self.dense = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.point = nn.Sequential(nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels))
        self.identity = nn.BatchNorm2d(channels)

    def forward(self, x):
        if self.deploy:
            return F.relu(self.one(x))
        return F.relu(self.dense(x) + self.point(x) + self.identity(x))

    def switch_to_deploy(self):
        eye = torch.eye(self.in_channels)[:, :, None, None]
        kernel, bias = fold(self.dense[0].weight, self.dense[1])
        for weight, norm in ((self.point[0].weight, self.point[1]), (eye, self.identity)):
            more, shift = fold(weight, norm)
            kernel, bias = kernel + F.pad(more, (1, 1, 1, 1)), bias + shift
        self.one = nn.Conv2d(self.in_channels, self.in_channels, 3, padding=1)
        self.one.weight.data, self.one.bias.data = kernel.data, bias.data + self.wrong
        del self.dense, self.point, self.identity
        self.deploy = True


def fold(weight, norm):
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return weight * scale.view(-1, 1, 1, 1), norm.bias - norm.running_mean * scale


class ConvNorm(nn.Sequential):
    """A pair that gives itself back as one layer."""

    def __init__(self, given: int, made: int) -> None:
        super().__init__(nn.Conv2d(given, made, 3, padding=1, bias=False), nn.BatchNorm2d(made))

    def fuse(self):
        weight, bias = fold(self[0].weight, self[1])
        one = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
        one.weight.data, one.bias.data = weight.data, bias.data
        return one


class Net(nn.Module):
    def __init__(self, **options) -> None:
        super().__init__()
        self.stem = ConvNorm(3, 16)
        self.block = RepVgg(16, **options)
        self.inplace = nn.Sequential(nn.Identity(), ConvNorm(16, 12), nn.ReLU(inplace=True))
        self.head = nn.Linear(12, 5)

    def forward(self, x):
        return self.head(self.inplace(self.block(self.stem(x))).mean((2, 3)))


class NeedsArguments(Net):
    def fuse(self, other):  # noqa: ARG002
        raise AssertionError("called without what it needs")


def trained(net: nn.Module, by: float = 0.2) -> nn.Module:
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in [*net.named_buffers(), *net.named_parameters()]:
            if value.is_floating_point():
                shaken = value + by * torch.randn(value.shape, generator=random)
                value.copy_(shaken.abs() + 0.3 if "running_var" in name else shaken)
    return net.eval()


@pytest.mark.parametrize("scale", [0.1, 0.5, 1.0])
def test_every_block_is_fused_at_any_width_and_the_net_given_stays(scale):
    net = trained(Net())
    widths = find_widths(net, (3, 8, 8), WidthOptions(divisor=1))
    compact = widths.build(widths.uniform(scale)).eval()
    before = list(compact.state_dict())
    fused, count = fuse_blocks(compact, IMAGES[:1])
    assert count == 3
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fused.modules())
    assert list(compact.state_dict()) == before
    with torch.no_grad():
        torch.testing.assert_close(fused(IMAGES), compact(IMAGES), atol=1e-4, rtol=1e-4)


def test_a_block_whose_own_method_computes_something_else_stays():
    fused, count = fuse_blocks(trained(Net(wrong=True)), IMAGES[:1])
    assert count == 2
    assert isinstance(fused.block, RepVgg)
    assert not fused.block.deploy


def test_a_net_without_such_blocks_is_given_back():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    assert fuse_blocks(net.eval(), IMAGES[:1]) == (net, 0)
    assert delivered_costs(net, (3, 8, 8)) == {}


def test_a_method_that_asks_for_more_is_not_called():
    assert fuse_blocks(trained(NeedsArguments()), IMAGES[:1])[1] == 3


def test_costs_are_those_of_the_layers_that_remain():
    net = trained(Net())
    plain = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.Conv2d(16, 16, 3, padding=1),
        nn.Conv2d(16, 12, 3, padding=1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(12, 5),
    )
    expected = {
        "blocks": 3,
        "macs": count_macs(plain, (3, 8, 8)),
        "parameters": count_parameters(plain),
        "size_bytes": count_bytes(plain),
    }
    assert delivered_costs(net, (3, 8, 8)) == expected
    assert expected["macs"] < count_macs(net, (3, 8, 8))


def test_the_fused_net_is_what_a_file_holds_and_what_is_timed():
    deployed = Deployed(trained(Net()), (0.5,) * 3, (0.5,) * 3)
    fused, _ = fuse_blocks(deployed, IMAGES[:1])
    frozen = freeze_trace(fused, IMAGES[:1])
    torch.jit.save(frozen, io.BytesIO())
    assert str(frozen.inlined_graph).count("batch_norm") == 0
    assert str(frozen.inlined_graph).count("_convolution") == 3
    with torch.no_grad():
        torch.testing.assert_close(frozen(IMAGES[:1]), deployed(IMAGES[:1]), atol=1e-4, rtol=1e-4)
    timed = compare_latency({"net": deployed}, (3, 8, 8), runs=1)
    assert timed["net"]["frozen"]["thread_ms"] > 0


TIMM = [
    ("repvgg_a0", 32, 0),
    ("mobileone_s0", 32, 0),
    ("mobileone_s1", 32, 0),
    ("repvit_m1", 32, 0),
    ("fastvit_t8", 32, 10),
    ("levit_128s", 224, 0),
]


@pytest.mark.medium
@pytest.mark.timeout(120)
@pytest.mark.parametrize(("name", "side", "norms"), TIMM)
def test_timms_nets_of_branches_are_fused_at_half_their_widths(name, side, norms):
    """``norms``: batch norms that their authors leave: FastViT's feed-forward layers have no method."""
    net = trained(make_net(StudentOptions(timm=name), num_classes=5, in_channels=3, image_size=side), 0.02)
    widths = find_widths(net, (3, side, side), WidthOptions(divisor=8))
    compact = widths.build(widths.uniform(0.5)).eval()
    image_BCHW = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    fused, count = fuse_blocks(compact, image_BCHW[:1])
    assert count > 10
    assert sum(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in fused.modules()) == norms
    with torch.no_grad():
        wanted = compact(image_BCHW)
        gap = float((fused(image_BCHW) - wanted).abs().max())
    assert gap <= 1e-4 * max(1.0, float(wanted.abs().max()))
