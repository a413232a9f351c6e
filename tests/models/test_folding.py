from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

from kdsearch.models.folding import Fold, find_folds, folded


class Fork(nn.Module):
    """A convolution whose output is read by its batch norm and by a shortcut, and one that only its norm reads."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 4, 1)
        self.last = nn.BatchNorm2d(4, affine=False)

    def forward(self, image_BCHW):
        forked = self.first(image_BCHW)
        return (self.last(self.second(self.norm(forked).relu())) + forked).mean((2, 3))


def with_statistics(net: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 2, generator=generator)
                nn.init.normal_(module.bias, 0, 0.3, generator=generator)
    return net.eval()


@torch.no_grad()
def test_what_else_is_read_is_not_folded():
    torch.manual_seed(0)
    assert find_folds(with_statistics(Fork()), torch.randn(2, 3, 8, 8)) == (Fold("second", "last"),)


@torch.no_grad()
@pytest.mark.parametrize("name", ["mobilenetv2_035", "resnetv2_18", "repghostnet_050"])
def test_a_folded_net_answers_as_before_and_is_itself_afterwards(name):
    torch.manual_seed(0)
    net = with_statistics(timm.create_model(name, num_classes=5))
    image_BCHW = torch.randn(2, 3, 32, 32)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    reference, calls = net(image_BCHW), []
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    handles = [norm.register_forward_hook(lambda *_: calls.append(1)) for norm in norms]
    with folded(net, image_BCHW):
        calls.clear()
        answer = net(image_BCHW)
        assert len(calls) < len(norms)
    for handle in handles:
        handle.remove()
    assert torch.allclose(answer, reference, atol=1e-4 * float(reference.abs().max().clamp(min=1)))
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert torch.equal(net(image_BCHW), reference)


@torch.no_grad()
def test_a_net_that_answers_nan_is_looked_at_again_later():
    torch.manual_seed(0)
    net = with_statistics(Fork())
    image_BCHW = torch.randn(2, 3, 8, 8)
    with folded(net, image_BCHW * float("nan")):
        assert isinstance(net.last, nn.BatchNorm2d)
    with folded(net, image_BCHW):
        assert not isinstance(net.last, nn.BatchNorm2d)
