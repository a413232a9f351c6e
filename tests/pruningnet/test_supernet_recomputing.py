"""What is computed anew in the backward pass meets the generated weights, not the net's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from kdsearch.pruningnet.crop_descent import Descent
from kdsearch.pruningnet.generators import Draft, Slim
from kdsearch.pruningnet.supernet import Supernet
from kdsearch.spec.sections import WidthOptions
from kdsearch.widths.finding import find_widths

# torch's remark on tracing a reentrant block, which no plan meets: nets are freed of reentrance before
pytestmark = pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
IMAGES = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(6) % 3


class Recomputed(torch.autograd.Function):
    """A block that keeps nothing but its input, written by hand."""

    @staticmethod
    def forward(ctx, features, block):
        ctx.block = block
        ctx.save_for_backward(features)
        ctx.random = torch.get_rng_state()
        with torch.no_grad():
            return block(features)

    @staticmethod
    def backward(ctx, gradient):
        (features,) = ctx.saved_tensors
        features = features.detach().requires_grad_()
        with torch.enable_grad(), torch.random.fork_rng():
            torch.set_rng_state(ctx.random)
            result = ctx.block(features)
        torch.autograd.backward(result, gradient)
        return features.grad, None


WAYS = {
    "plain": lambda block, features: block(features),
    "not reentrant": lambda block, features: checkpoint(block, features, use_reentrant=False),
    "reentrant": lambda block, features: checkpoint(block, features, use_reentrant=True),
    "by hand": lambda block, features: Recomputed.apply(features, block),
}


class Net(nn.Module):
    """A block in the middle; ``fixed`` keeps its widths, since it then meets plain numbers."""

    def __init__(self, way: str, *, fixed: bool) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.block = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.2))
        self.last = nn.Conv2d(8, 12, 3, padding=1)
        self.head = nn.Linear(12, 3)
        self.way = way
        self.ones = torch.ones(1, 8, 1, 1) if fixed else 1.0

    def forward(self, image_BCHW):
        features = torch.tanh(self.first(image_BCHW)) * self.ones
        way = self.way if self.training else "plain"
        features = WAYS[way](self.block, features) * self.ones
        return self.head(F.relu(self.last(features)).mean((2, 3)))


def gradients(way: str, *, fixed: bool, distill: bool) -> list[dict[str, torch.Tensor]]:
    """What arrives at the leaves of each gene's draft; the stored weights are not those of the net."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Net(way, fixed=fixed).train()
    widths = find_widths(net, (3, 8, 8), WidthOptions(divisor=1))
    found: list[Draft] = []

    class Kept(Slim):
        def update(self, draft: Draft, descent: Descent) -> None:  # noqa: ARG002
            found.append(draft)

    generator = Kept(net, widths)
    for value in generator.full.values():
        value.mul_(1.5)
    genes = [widths.full, widths.uniform(0.5)] if distill else [widths.uniform(0.5)]
    with torch.random.fork_rng():
        torch.manual_seed(1)
        Supernet(net, widths, generator, distill=distill).step(IMAGES, LABELS, genes, Descent(0.1), 0.0)
    assert all(parameter.grad is None for parameter in net.parameters())
    return [{name: leaf.grad for name, leaf in draft.leaves.items()} for draft in found]


@pytest.mark.parametrize("distill", [False, True])
@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("way", [way for way in WAYS if way != "plain"])
def test_gradients_are_those_without_recomputing(way, fixed, distill):
    plain, recomputed = (gradients(each, fixed=fixed, distill=distill) for each in ("plain", way))
    for one, other in zip(plain, recomputed, strict=True):
        for name, gradient in one.items():
            assert other[name] is not None, name
            torch.testing.assert_close(other[name], gradient, msg=name)
