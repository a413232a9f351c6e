"""That cropped forward and compact build agree is only worth saying if a wrong build is seen to differ."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import nn

from kdsearch.errors import WidthError
from kdsearch.models.zoo import OWN, make_net
from kdsearch.spec.sections import StudentOptions
from kdsearch.widths.finding import find_widths
from kdsearch.widths.parity import find_gaps
from kdsearch.widths.space import WidthSpace

SHAPE = (3, 32, 32)


def fresh(**named) -> WidthSpace:
    net = make_net(StudentOptions(**named), num_classes=10, in_channels=3, image_size=32)
    return find_widths(net, SHAPE, StudentOptions(**named))


def images(count: int = 4):
    return torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(0))


def mistaken(space: WidthSpace, monkeypatch) -> WidthSpace:
    """The space, of which compact nets have the last two filters of their last convolution the wrong way round."""
    right = space.build

    def build(gene, tensors=None):
        compact = right(gene, tensors)
        conv = [module for module in compact.modules() if isinstance(module, nn.Conv2d)][-1]
        with torch.no_grad():
            conv.weight[-2:] = conv.weight[-2:].flip(0)
        return compact

    monkeypatch.setattr(space, "build", build)
    return space


@pytest.mark.parametrize("name", sorted(OWN))
def test_two_filters_the_wrong_way_round_are_seen_in_every_fresh_net_of_ours(name, monkeypatch):
    space = fresh(net=name, width=0.5)  # signals fade with depth, whatever the width
    gene = space.uniform(0.5)
    assert space.verify(gene, images()) <= 1e-5
    with pytest.raises(WidthError, match="differ by"):
        mistaken(space, monkeypatch).verify(gene, images())


def test_fresh_nets_hide_the_mistake_as_they_stand(monkeypatch):
    space = mistaken(fresh(net="mobilenetv2_metapruning"), monkeypatch)
    as_it_stands, at_work = find_gaps(space, space.uniform(0.5), images())
    assert as_it_stands < 1e-5
    assert at_work > 1e-2


@pytest.mark.parametrize("name", ["convnext_atto", "lcnet_035", "resnet10t"])  # layer scales, no signal, zero branches
def test_nets_of_timm_that_start_silent_are_compared_too(name, monkeypatch):
    space = fresh(timm=name)
    gene = space.uniform(0.5)
    assert space.verify(gene, images()) <= 1e-3
    with pytest.raises(WidthError, match="differ by"):
        mistaken(space, monkeypatch).verify(gene, images())


def test_the_net_is_as_it_was_afterwards():
    space = fresh(net="resnet20")
    space.net.train()
    space.net.stages[0].eval()
    before = {name: tensor.clone() for name, tensor in space.net.state_dict().items()}
    modes = [module.training for module in space.net.modules()]
    space.verify(space.smallest, images())
    assert [module.training for module in space.net.modules()] == modes
    assert all(torch.equal(tensor, before[name]) for name, tensor in space.net.state_dict().items())


class Deaf(nn.Module):
    """A net that gives each image the same answer."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 5, 1)

    def forward(self, image_BCHW):
        return self.second(self.first(0 * image_BCHW)).mean((2, 3))


def test_a_net_that_says_the_same_of_any_image_cannot_be_compared_and_that_is_said(caplog):
    space = find_widths(Deaf(), SHAPE)
    with caplog.at_level(logging.WARNING):
        assert space.verify(space.smallest, images()) <= 1e-5
    assert "nearly the same of any image" in caplog.text


class Counting(nn.Module):
    """A net whose compact copies go wrong in their own way once ``wrong`` is set."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Linear(8, 5)
        self.wrong = None

    def forward(self, x):
        logits = self.last(self.second(self.first(x)).mean((2, 3)))
        if self.wrong == "raises" and self.first.out_channels < 8:
            raise ZeroDivisionError("nothing is left\nof it")
        return logits[:1] if self.wrong == "shape" and self.first.out_channels < 8 else logits


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("raises", r"the net does not run at the widths of \{.*\}: nothing is left$"),
        ("shape", r"the (cropped net|compact build) gives \(1, 5\), the full net \(4, 5\)$"),
    ],
)
def test_what_goes_wrong_at_some_widths_only_is_said_in_a_line(wrong, words):
    net = Counting().eval()
    space = find_widths(net, SHAPE)
    net.wrong = wrong
    with pytest.raises(WidthError, match=words):
        space.verify(space.smallest, images())
