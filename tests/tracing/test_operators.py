# ruff: noqa: ARG005 - every operation is handed the net and both of its tensors
"""Around a hundred operators: their channels are searched and every crop is right, or they stay whole with a name."""

import numpy as np
import pytest
import torch

from kdsearch.candidates.space import Candidate
from kdsearch.cost.flops import count_macs
from kdsearch.spec.sections import WidthOptions
from kdsearch.widths.finding import find_widths
from tests.models.nets import gap, random_gene, zeroed
from tests.tracing.operators import FOLLOWED, NAMED, STATISTICS, TOGETHER, Between

IMAGE = (3, 8, 8)
IMAGES = torch.randn(3, *IMAGE, generator=torch.Generator().manual_seed(0))
pytestmark = pytest.mark.timeout(30)  # milliseconds each on a quiet machine


def widths_of(operator, parts, image=IMAGE):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return find_widths(Between(operator, parts), image, WidthOptions(divisor=1))


def genes(space):
    """The smallest, two at random, and for each group one with it at its smallest choice among full ones."""
    edges = [space.full.of(space.full.values | {group.name: group.choices[0]}) for group in space.groups]
    return [space.smallest, *edges, *(random_gene(space, np.random.default_rng(seed)) for seed in (0, 1))]


def run(net, batch=IMAGES):
    with torch.no_grad():
        return net(batch)


def is_dropping_zeroing(space, gene: Candidate) -> bool:
    compact = run(space.build(gene).eval())
    with space.applied(space.full, zeroed(space, gene)):
        return gap(compact, run(space.net)) <= 1e-4


@pytest.mark.parametrize("name", FOLLOWED)
def test_channels_pass_and_dropping_equals_zeroing(name):
    space = widths_of(*FOLLOWED[name])
    first = next(group for group in space.groups if group.name == "first")
    assert (first.width, first.multiplicity) == (16, 1)
    for gene in genes(space):
        assert space.verify(gene, IMAGES) <= 1e-3
        assert is_dropping_zeroing(space, gene)
        if min(gene.values.values()) > 1:  # PyTorch's einsum multiplies single channels without a matrix product
            assert space.costs(gene)["macs"] == count_macs(space.build(gene), IMAGE)


@pytest.mark.parametrize("name", STATISTICS)
def test_channels_pass_where_their_number_counts(name):
    """The crop is what the net itself computes on fewer channels."""
    space = widths_of(*STATISTICS[name])
    assert {"first", "second"} <= {group.name for group in space.groups}
    for gene in genes(space):
        with space.applied(gene):
            cropped = run(space.net)
        assert gap(run(space.build(gene).eval()), cropped) <= 1e-5


@pytest.mark.parametrize("name", TOGETHER)
def test_channels_that_go_together(name):
    operator, parts, multiplicity = TOGETHER[name]
    space = widths_of(operator, parts)
    assert next(group for group in space.groups if group.name == "first").multiplicity == multiplicity
    for gene in genes(space):
        assert space.verify(gene, IMAGES) <= 1e-3
        assert is_dropping_zeroing(space, gene)


@pytest.mark.parametrize("name", NAMED)
def test_what_is_not_followed_stays_whole_and_is_named(name):
    operator, parts, reason = NAMED[name]
    space = widths_of(operator, parts)
    assert "first" not in {group.name for group in space.groups}
    assert dict(space.frozen)["first"].startswith(reason)
    assert all(is_dropping_zeroing(space, gene) for gene in genes(space))


@pytest.mark.parametrize("side", [4, 8, 32])
def test_shuffled_pixels_leave_the_channels_croppable_whatever_the_image(side):
    operator, parts, _ = TOGETHER["pixel_shuffle"]
    space = widths_of(operator, parts, (3, side, side))
    assert {(group.name, group.width, group.multiplicity) for group in space.groups} >= {("first", 16, 4)}
    assert space.croppable_share() == 1.0


def test_a_single_channel_stays_and_says_so():
    space = widths_of(*FOLLOWED["gate, mul"])
    assert dict(space.frozen)["gate"] == "gives a single channel"
    assert space.build(space.smallest).gate.out_channels == 1


def test_a_mean_over_half_of_the_channels_keeps_them_in_step():
    """Of 10 kept channels the net would average 5, of which the full net's half has others: such crops are refused."""
    space = widths_of(lambda net, a, b: b * a[:, : a.shape[1] // 2].mean(1, keepdim=True), {})
    assert "first" not in {group.name for group in space.groups}


def test_writing_into_some_channels_by_their_number_keeps_those():
    def doubled(net, a, b):
        y = a.clone()
        y[:, :4] *= 2
        return y

    space = widths_of(doubled, {})
    assert [group.width for group in space.groups if group.name.startswith("first")] == [12]
    assert all(is_dropping_zeroing(space, gene) for gene in genes(space))


def test_a_view_of_what_was_constant_is_not_once_some_of_it_is_written():
    def masked(net, a, b):
        mask = a.new_zeros(1, a.shape[1])
        seen = mask.view(1, -1, 1, 1)
        mask[:, :3] = 1.0
        return a * seen

    space = widths_of(masked, {})
    assert dict(space.frozen)["first"] == "meets a tensor of fixed size: mul in the net"
