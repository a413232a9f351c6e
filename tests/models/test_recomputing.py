"""Reentrant activation checkpointing becomes the other kind, whose gradients are whole and which can be exported."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.utils import checkpoint as module

from kdsearch.cost.deployed import freeze_trace
from kdsearch.models.given import Trial, make_plain

pytestmark = [pytest.mark.timeout(30), pytest.mark.filterwarnings("ignore")]
IMAGES = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """The first block is recomputed: its input, the image, needs no gradient."""

    def __init__(self, *, reentrant: bool | None) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.head = nn.Linear(8, 5)
        self.reentrant = reentrant

    def forward(self, image_BCHW):
        if self.reentrant is None:
            return self.head(self.first(image_BCHW).mean((2, 3)))
        return self.head(module.checkpoint(self.first, image_BCHW, use_reentrant=self.reentrant).mean((2, 3)))


def made(*, reentrant: bool | None) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make_plain(Net(reentrant=reentrant), Trial(IMAGES, 5))


def gradients(net: nn.Module) -> dict[str, torch.Tensor | None]:
    net.train()(IMAGES).square().sum().backward()
    return {name: parameter.grad for name, parameter in net.named_parameters()}


@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("copied", [True, False])
def test_gradients_are_those_without_checkpointing(reentrant, copied):
    net = made(reentrant=reentrant)
    found, expected = gradients(copy.deepcopy(net) if copied else net), gradients(made(reentrant=None))
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, msg=name)


@pytest.mark.parametrize("reentrant", [True, False])
def test_it_can_be_exported(reentrant):
    net = made(reentrant=reentrant).eval()
    with torch.no_grad():
        torch.testing.assert_close(freeze_trace(net, IMAGES)(IMAGES), net(IMAGES))


def test_torch_is_as_before_after_every_forward_and_every_error():
    own = module.CheckpointFunction
    net = made(reentrant=True)
    net(IMAGES)
    with pytest.raises(RuntimeError):
        net(IMAGES[:, :1])
    assert module.CheckpointFunction is own
    assert not made(reentrant=False)._forward_pre_hooks
