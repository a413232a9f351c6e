# ruff: noqa: ARG005 - every operation is handed the net and both of its tensors
"""What operators do to channels, shown by the groups of nets that use one operator each."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from kdsearch.spec.sections import WidthOptions
from kdsearch.widths.finding import find_widths
from tests.models.nets import conv

IMAGE = (3, 8, 8)
pytestmark = pytest.mark.timeout(30)  # milliseconds each on a quiet machine


class Net(nn.Module):
    """Two convolutions with an operation between them."""

    def __init__(self, between, middle=16, arriving=16, **parts):
        super().__init__()
        self.between = between
        self.first = conv(3, middle)
        self.other = conv(3, middle)
        self.second = conv(arriving, 12)
        self.classifier = nn.Linear(12, 5)
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        y = self.between(self, self.first(x), self.other(x))
        return self.classifier(self.second(y).mean((2, 3)))


def widths(net, **options):
    return find_widths(net.eval(), IMAGE, WidthOptions(divisor=1, **options))


def groups(net):
    return {group.name: group.width for group in widths(net).groups}


def exact(net):
    """The groups, after proving that a crop computes what its compact build does."""
    space = widths(net)
    assert space.verify(space.uniform(0.5), torch.randn(2, *IMAGE)) <= 1e-5
    return {group.name for group in space.groups}


FREE = {"first", "second", "other"}
TIED = {"first", "second"}


@pytest.mark.parametrize(
    ("between", "arriving", "expected"),
    [
        (lambda net, a, b: a + b, 16, TIED),
        (lambda net, a, b: torch.maximum(a, F.relu(b)), 16, TIED),
        (lambda net, a, b: torch.where(a > 0, a, b), 16, TIED),
        (lambda net, a, b: a * b.mean((2, 3), keepdim=True).sigmoid(), 16, TIED),
        (lambda net, a, b: a * b.amax(1, keepdim=True), 16, FREE),
        (lambda net, a, b: torch.cat((a, b), 1), 32, FREE),
        (lambda net, a, b: torch.cat((a, a), 1) + torch.cat((b, b), 1), 32, TIED),
        (lambda net, a, b: torch.stack((a, b), 1).sum(1), 16, TIED),
        (lambda net, a, b: a.flip(1), 16, FREE),
        (lambda net, a, b: F.pad(a, (1, 1, 1, 1)), 16, FREE),
        (lambda net, a, b: F.interpolate(a, scale_factor=2), 16, FREE),
        (lambda net, a, b: a.permute(0, 2, 3, 1).softmax(-1).permute(0, 3, 1, 2), 16, FREE),
        (lambda net, a, b: torch.einsum("bchw,bchw->bchw", a, b), 16, TIED),
    ],
)
def test_operations_tie_what_meets(between, arriving, expected):
    assert exact(Net(between, arriving=arriving)) == expected


def test_an_unknown_operator_freezes_and_is_named():
    space = widths(Net(lambda net, a, b: a.sort(dim=1).values))
    assert "first" not in {group.name for group in space.groups}
    assert dict(space.frozen)["first"] == "works along the channels: sort in the net"
    assert space.verify(space.smallest, torch.randn(2, *IMAGE)) <= 1e-5


def test_a_size_written_into_the_code_freezes_its_channels_only():
    space = widths(Net(lambda net, a, b: a.view(a.shape[0], 16, 8, 8)))
    assert {group.name for group in space.groups} == {"other", "second"}
    assert "is invalid for input of size" in dict(space.frozen)["first"]


def test_sizes_that_fit_by_chance_are_noticed_by_the_channels_that_arrive():
    space = widths(Net(lambda net, a, b: a.reshape(a.shape[0], 16, -1).transpose(1, 2).reshape(a.shape)))
    assert "first" not in {group.name for group in space.groups}


def test_a_channel_picked_by_number_is_always_kept():
    space = widths(Net(lambda net, a, b: a * a[:, 3].unsqueeze(1)))
    assert "first" not in {group.name for group in space.groups}


def test_a_bare_scale_follows_the_channels():
    net = Net(lambda net, a, b: a * net.scale, scale=nn.Parameter(torch.randn(16, 1, 1)))
    space = widths(net)
    compact = space.build(space.smallest)
    assert compact.scale.shape == (compact.first.out_channels, 1, 1)
    assert space.touches("scale") == space.touches("first.weight")


def test_a_constant_of_fixed_size_freezes():
    table = torch.randn(1, 16, 8, 8)
    assert "first" not in groups(Net(lambda net, a, b: a + table))


def test_group_norm_keeps_its_groups_equal():
    net = Net(lambda net, a, b: net.norm(a), norm=nn.GroupNorm(4, 16))
    space = widths(net)
    first = next(group for group in space.groups if group.name == "first")
    assert first.multiplicity == 4
    assert all(width % 4 == 0 for width in first.choices)


def test_layer_norm_over_channels_follows_them():
    def between(net, a, b):
        return net.norm(a.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    net = Net(between, norm=nn.LayerNorm(16))
    assert exact(net) == FREE
    space = widths(net)
    assert space.build(space.smallest).norm.normalized_shape == (int(space.smallest.values["first"]),)


@pytest.mark.parametrize(("groups_of_conv", "multiplicity"), [(16, 1), (8, 2), (2, 2)])
def test_grouped_convolutions_drop_groups_or_narrow_them(groups_of_conv, multiplicity):
    """16 channels: of 8 groups of 2 whole groups go; 2 groups of 8 are narrowed alike."""
    net = Net(lambda net, a, b: net.grouped(a), grouped=conv(16, 16, groups=groups_of_conv))
    space = widths(net)
    first = next(group for group in space.groups if group.name == "first")
    assert first.multiplicity == multiplicity
    compact = space.build(space.smallest)
    kept = int(space.smallest.values["first"])
    assert compact.grouped.groups == (2 if groups_of_conv == 2 else kept * groups_of_conv // 16)
    assert space.verify(space.smallest, torch.randn(2, *IMAGE)) <= 1e-5


def test_a_convolution_over_channels_lets_them_pass():
    """Efficient channel attention: a one-channel convolution along the channels."""

    def between(net, a, b):
        gate = net.along(a.mean((2, 3)).unsqueeze(1)).sigmoid()
        return a * gate.view(a.shape[0], -1, 1, 1)

    assert exact(Net(between, along=nn.Conv1d(1, 1, 3, padding=1))) == FREE


def test_a_shared_layer_ties_what_it_reads():
    assert exact(Net(lambda net, a, b: net.shared(a) + net.shared(b), shared=conv(16, 16))) == TIED | {"shared"}


def test_filters_in_a_buffer_follow_the_channels():
    class Blur(nn.Module):
        def __init__(self):
            super().__init__()
            self.channels = 16
            self.register_buffer("filters", torch.ones(16, 1, 3, 3) / 9, persistent=False)

        def forward(self, x):
            return F.conv2d(x, self.filters, padding=1, groups=self.channels)

    net = Net(lambda net, a, b: net.blur(a), blur=Blur())
    assert exact(net) == FREE
    space = widths(net)
    assert space.build(space.smallest).blur.channels == int(space.smallest.values["first"])


def test_attention_over_positions_keeps_its_values_croppable():
    def between(net, a, b):
        batch, channels, height, width = a.shape
        flat = a.flatten(2)
        weights = (b.flatten(2).transpose(1, 2) @ b.flatten(2)).softmax(-1)
        return (flat @ weights).view(batch, channels, height, width)

    assert exact(Net(between)) == FREE


def test_splitting_channels_into_rows_keeps_the_smaller_constant():
    """A shuffle of two rows: both rows keep equally many, so the channels go in pairs."""

    def between(net, a, b):
        batch, channels, height, width = a.shape
        return a.view(batch, 2, channels // 2, height, width).transpose(1, 2).reshape(a.shape)

    net = Net(between)
    first = next(group for group in widths(net).groups if group.name == "first")
    assert first.multiplicity == 2
    assert exact(net) == FREE


def test_unlike_pieces_may_get_one_size_by_chance():
    """Only pieces that are equal in the full net stay equal: here 4 and 12 channels, split by remembered sizes."""

    class Partial(nn.Module):
        def __init__(self):
            super().__init__()
            self.worked, self.kept = 4, 12
            self.conv = conv(4, 4)

        def forward(self, x):
            worked, kept = torch.split(x, [self.worked, self.kept], dim=1)
            return torch.cat((self.conv(worked), kept), 1)

    net = Net(lambda net, a, b: a + net.partial(a), partial=Partial())
    space = widths(net)
    assert {"first", "first#2"} <= {group.name for group in space.groups}
    gene = space.smallest.values | {"first": 3, "first#2": 3}
    compact = space.build(space.full.of(gene))
    assert (compact.partial.worked, compact.partial.kept, compact.first.out_channels) == (3, 3, 6)
    assert compact(torch.randn(2, *IMAGE)).shape == (2, 5)


def test_halves_that_change_places_are_kept_whole():
    """Of 7 kept channels the net would slice 3 and 4, the crop of the full net those of 8 and 4 that stay."""
    space = widths(Net(lambda net, a, b: torch.cat((a[:, a.shape[1] // 2 :], a[:, : a.shape[1] // 2]), 1)))
    assert "the crop keeps" in dict(space.frozen)["first"]


def test_a_norm_called_as_a_function_takes_its_vectors_along():
    def between(net, a, b):
        last = a.permute(0, 2, 3, 1)
        return F.layer_norm(last, last.shape[-1:], net.scale, net.shift).permute(0, 3, 1, 2)

    net = Net(between, scale=nn.Parameter(torch.rand(16)), shift=nn.Parameter(torch.rand(16)))
    assert exact(net) == FREE
    assert widths(net).touches("shift") == widths(net).touches("first.weight")
