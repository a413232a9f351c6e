"""Nets whose forward leaves something in them come out of tracing, proofs and planning as they went in."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from kdsearch.errors import SpecError
from kdsearch.models.given import Trial, make_plain
from kdsearch.models.zoo import make_net
from kdsearch.spec.sections import StudentOptions
from kdsearch.tracing.unchanged import unchanged
from kdsearch.widths.finding import find_widths
from tests.models.nets import Residual, Split

IMAGE = (3, 16, 16)


class Leaving(nn.Module):
    """Two convolutions; what the forward leaves behind is up to ``leave``."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.head = nn.Conv2d(3, 16, 3), nn.Conv2d(16, 16, 3), nn.Linear(16, 5)
        self.calls, self.kept, self.cache = 0, [], {}
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, x):
        maps = self.second(self.first(x).relu())
        self.leave(maps.detach())
        return self.head((maps * self.scale).mean((2, 3)))


class Reassigns(Leaving):
    def leave(self, maps):
        self.scale = self.scale * 0.9 + 0.1 * maps.abs().mean()


class ReassignsInTraining(Leaving):
    def leave(self, maps):
        if self.training:
            self.scale = self.scale * 0.9 + 0.1 * maps.abs().mean()


class WritesInto(Leaving):
    def leave(self, maps):
        self.seen.add_(maps.abs().mean())


class Counts(Leaving):
    def leave(self, maps):
        self.calls += 1
        self.kept.append(tuple(maps.shape))
        self.cache[maps.shape] = {"mean": [maps.mean()]}


class Caches(Leaving):
    def leave(self, maps):
        if not hasattr(self, "grid"):
            self.grid = torch.zeros(maps.shape[2:], device=maps.device)
            self.register_buffer("late", torch.ones(maps.shape[1], device=maps.device))
        maps + self.grid


class Clamps(Leaving):
    def leave(self, _):
        self.second.weight.data.clamp_(-0.01, 0.01)


class Freezes(Leaving):
    def leave(self, _):
        self.first.weight.requires_grad_(False)
        self.second.train()


class Hooks(Leaving):
    def leave(self, _):
        self.second.register_forward_hook(lambda *_: None)


LEAVING = (Reassigns, ReassignsInTraining, WritesInto, Counts, Caches, Clamps, Freezes, Hooks)
NAMED = ("mobilenetv3_small_050", "repvgg_a0", "test_resnet")


def make(kind):
    torch.manual_seed(0)
    if isinstance(kind, str):
        return make_net(StudentOptions(timm=kind), num_classes=5, in_channels=3)
    return kind()


def everything(net):
    """All that a net holds, with the values of tensors, in a form that ``==`` compares."""
    return {path: _plain(vars(module)) for path, module in net.named_modules()}


def _plain(held):
    if isinstance(held, torch.Tensor):
        return id(held), held.requires_grad, held.grad is None, held.detach().numpy().tobytes()
    if isinstance(held, nn.Module):
        return id(held)
    if isinstance(held, dict):
        return id(held), [(key, _plain(value)) for key, value in held.items()]
    if isinstance(held, list | tuple | set):
        return [_plain(value) for value in held]
    return repr(held)


@pytest.mark.parametrize("trains", [True, False])
@pytest.mark.parametrize("kind", [*LEAVING, Residual, Split, *NAMED])
def test_a_net_is_as_it_was_after_its_widths_were_found_and_verified(kind, trains):
    net = make(kind).train(trains)
    before, chance = everything(net), torch.get_rng_state()
    space = find_widths(net, IMAGE)
    space.verify(space.smallest, torch.randn(2, *IMAGE, generator=torch.Generator().manual_seed(0)))
    assert everything(net) == before
    assert torch.equal(torch.get_rng_state(), chance)
    assert space.groups


@pytest.mark.parametrize("trains", [True, False])
@pytest.mark.parametrize("kind", [*LEAVING[1:], Residual, "mobilenetv3_small_050"])
def test_a_net_that_is_passed_is_as_it_was_and_the_plain_copy_has_its_values(kind, trains):
    net = make(kind).train(trains)
    before, chance = everything(net), torch.get_rng_state()
    plain = make_plain(net, Trial(torch.randn(2, *IMAGE, generator=torch.Generator().manual_seed(0)), 5))
    assert everything(net) == before
    assert torch.equal(torch.get_rng_state(), chance)
    for (name, own), (other, copied) in zip(net.state_dict().items(), plain.state_dict().items(), strict=True):
        assert name == other
        assert torch.equal(own, copied), name
    assert [p.requires_grad for p in net.parameters()] == [p.requires_grad for p in plain.parameters()]


def test_a_net_whose_evaluation_changes_with_every_call_is_refused():
    with pytest.raises(SpecError, match="answers otherwise for an image alone than beside others"):
        make_plain(make(Reassigns), Trial(torch.randn(2, *IMAGE, generator=torch.Generator().manual_seed(0)), 5))


def test_what_fails_inside_is_undone_too():
    net = make(Counts)
    before = everything(net)
    with pytest.raises(RuntimeError, match="channels"), unchanged(net):
        net(net.second(torch.zeros(1, 16, 16, 16)))
    assert everything(net) == before


def test_containers_named_apart_keep_what_was_put_into_them():
    net = make(Counts)
    with unchanged(net, but=[net.kept]):
        net(torch.zeros(1, *IMAGE))
    assert (net.calls, len(net.kept), net.cache) == (0, 1, {})


def test_tensors_keep_what_was_written_into_them_where_values_do_not_matter():
    net, image = make(WritesInto), torch.ones(1, *IMAGE)
    other = copy.deepcopy(net)
    with unchanged(net, values=False):
        net(image)
    other(image)
    assert torch.equal(net.seen, other.seen)
