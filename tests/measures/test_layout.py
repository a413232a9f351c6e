"""The order in memory of a net that trains."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from kdsearch.measures.layout import image_layout, sliced_strides, training_layout


def net(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.Conv2d(width, 8, 3))


def test_wide_convolutions_ask_for_channels_last():
    assert image_layout(net(32)) is torch.channels_last
    assert image_layout(net(31)) is torch.contiguous_format
    assert image_layout(nn.Linear(64, 64)) is torch.contiguous_format


def test_weights_are_plain_again_after_training_whatever_ended_it():
    wide = net(32)
    values = {name: value.clone() for name, value in wide.state_dict().items()}

    def train() -> None:
        with training_layout(wide):
            assert wide[1].weight.is_contiguous(memory_format=torch.channels_last)
            assert not wide[1].weight.is_contiguous()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train()
    assert wide[1].weight.is_contiguous()
    assert all(torch.equal(value, values[name]) for name, value in wide.state_dict().items())


class Shortcut(nn.Module):
    """A strided 1x1 convolution, called by the name of its argument if ``named``."""

    def __init__(self, width: int, stride: int | tuple[int, int], *, named: bool = False) -> None:
        super().__init__()
        self.conv, self.named = nn.Conv2d(width, 8, 1, stride=stride), named

    def forward(self, image_BCHW: torch.Tensor) -> torch.Tensor:
        return self.conv(input=image_BCHW) if self.named else self.conv(image_BCHW)


@pytest.mark.parametrize("stride", [2, 3, (1, 2), (2, 1)])
@pytest.mark.parametrize("named", [False, True])
def test_a_strided_point_convolution_gives_the_same_outputs_and_gradients_without_its_stride(stride, named):
    torch.manual_seed(0)
    net = Shortcut(6, stride, named=named).double()
    image_BCHW = torch.randn(3, 6, 11, 10, dtype=torch.float64, requires_grad=True)

    def derive() -> list[torch.Tensor]:
        out = net(image_BCHW)
        return [out, *torch.autograd.grad(out.square().sum(), [image_BCHW, *net.parameters()])]

    expected = derive()
    with sliced_strides(net):
        assert net.conv.stride == (1, 1)
        found = derive()
    assert net.conv.stride == ((stride, stride) if isinstance(stride, int) else stride)
    assert not net.conv._forward_pre_hooks
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.timeout(60)
def test_training_narrow_strided_shortcuts_keeps_the_process_alive():
    """On processors with AVX2 and no AVX-512 oneDNN would write outside its memory here."""
    program = """
import torch
from torch import nn
from kdsearch.measures.layout import training_layout
torch.set_num_threads(1)
for width in range(1, 8):
    net = nn.Sequential(nn.Conv2d(3, 32, 3), nn.Conv2d(32, width, 1), nn.Conv2d(width, 8, 1, stride=2))
    with training_layout(net):
        for _ in range(40):
            net(torch.randn(16, 3, 28, 28).to(memory_format=torch.channels_last)).square().sum().backward()
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
