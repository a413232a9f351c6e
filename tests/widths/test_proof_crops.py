"""The crops of a proof, and nets that only some of them find out."""

from itertools import combinations, product

import numpy as np
import pytest
import torch
from torch import nn

from kdsearch.candidates.space import Candidate
from kdsearch.spec.sections import WidthOptions
from kdsearch.tracing.units import classify
from kdsearch.widths.check import CropProof
from kdsearch.widths.finding import find_widths, trace
from kdsearch.widths.groups import ChannelGroup, group_units
from kdsearch.widths.layers import Attribute
from kdsearch.widths.layout import Layout
from kdsearch.widths.proof_crops import edge_crops, telling_crops

IMAGE = (3, 4, 4)


def groups_of(*classes, multiplicity=1):
    return [
        ChannelGroup(str(at), n * multiplicity, (multiplicity, n * multiplicity), multiplicity)
        for at, n in enumerate(classes)
    ]


@pytest.mark.parametrize(
    "classes", [(64, 64, 128), (8,) * 30, (3, 3, 3, 3), (2, 2, 2, 64), (2,), (5,), (2, 2, 3, 3, 3)]
)
@pytest.mark.parametrize("multiplicity", [1, 4])
def test_any_two_groups_of_as_many_classes_keep_unlike_numbers_in_some_telling_crop(classes, multiplicity):
    crops = telling_crops(groups_of(*classes, multiplicity=multiplicity))
    for crop in crops:
        assert ((crop >= 1) & (crop <= classes)).all()
    for first, second in combinations(range(len(classes)), 2):
        assert any(crop[first] != crop[second] for crop in crops)


def test_channels_are_told_apart_in_telling_crops_and_what_was_more_is_less():
    first, second = telling_crops(groups_of(*[40] * 20, 2))[:2]
    assert min(first.min(), second.min()) == 2
    assert all((first[a] < first[b]) == (second[a] > second[b]) for a, b in combinations(range(20), 2))


def test_every_group_is_smallest_and_full_in_an_edge_crop():
    crops = np.array(edge_crops(groups_of(4, 8, 8)))
    assert crops.min(0).tolist() == [1, 1, 1]
    assert crops.max(0).tolist() == [4, 8, 8]
    assert [1, 1, 1] in crops.tolist()
    assert [2, 2, 2] in crops.tolist()


class Remembering(nn.Module):
    """Two inner widths of one size, and the second remembered."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 5, 1)
        self.n = 8

    def forward(self, x):
        return self.c(self.b(self.a(x)).narrow(1, 0, self.n)).mean((2, 3))


def proof_of(net, port):
    """The proof of a net whose ``n`` is taken for the channels of a port."""
    traced = trace(net.eval(), IMAGE)
    grouping = group_units(traced.recorder, classify(traced.recorder), [])
    ports = traced.recorder.ports
    attributes = (*traced.attributes, Attribute("", "n", ports[port]))
    groups = tuple(ChannelGroup(group.name, group.width, (1, group.width)) for group in grouping.groups)
    layout = Layout.of(net, traced.slots, grouping, ports, attributes)
    return CropProof(
        layout, ports, traced.tracer.seen, traced.tracer.splits, traced.tensors, traced.image, attributes, groups,
        traced.marks, traced.shapes,
    )  # fmt: skip


@pytest.mark.parametrize(("port", "is_right"), [(("a:out", 0), False), (("b:out", 0), True)])
def test_a_number_that_follows_the_wrong_group_is_told_by_sizes_alone(port, is_right):
    assert proof_of(Remembering(), port)._tells_apart() == is_right


class Ordered(nn.Module):
    """Fails where one of its widths, ``less``, is the smaller one of two."""

    def __init__(self, less, more):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(3 if at == 0 else 16, 16, 1, bias=False) for at in range(4))
        self.last = nn.Linear(16, 5)
        self.pair = f"{less}<{more}"  # no numbers: these might be taken for widths

    def forward(self, x):
        less, more = (self.convs[int(at)].weight.shape[0] for at in self.pair.split("<"))
        if less < more:
            raise RuntimeError("this width may not be less than that")
        for conv in self.convs:
            x = conv(x).relu()
        return self.last(x.mean((2, 3)))


@pytest.mark.parametrize(("less", "more"), [(a, b) for a, b in product(range(4), repeat=2) if a != b])
def test_a_net_that_fails_where_one_width_is_less_than_another_runs_at_every_gene(less, more):
    torch.manual_seed(0)
    space = find_widths(Ordered(less, more).eval(), IMAGE, WidthOptions(divisor=8))
    batch = torch.randn(2, *IMAGE)
    assert len(space.groups) == 3
    for widths in product(*(group.choices for group in space.groups)):
        gene = Candidate.of(dict(zip((group.name for group in space.groups), widths, strict=True)))
        with torch.no_grad():
            assert space.build(gene).eval()(batch).shape == (2, 5)
