"""A net is traced, grouped and proved; what stays whole is named."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kdsearch.errors import WidthError
from kdsearch.spec.sections import WidthOptions
from kdsearch.widths.finding import find_widths, trace
from tests.toys import SHAPE, make_toy

OPTIONS = WidthOptions(divisor=1)


def test_the_nets_groups_are_named_after_the_first_layer_of_each():
    space = find_widths(make_toy(), SHAPE, OPTIONS)
    assert {group.name: group.width for group in space.groups} == {
        "stem.0": 8,  # with the depthwise convolution that reads it
        "point.0": 12,  # with the block whose output is added to it
        "branch.0": 8,
        "last.0": 10,
    }


def test_the_net_itself_is_not_changed():
    net = make_toy()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    find_widths(net, SHAPE, OPTIONS)
    assert net.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_what_the_classifier_reads_may_be_fixed():
    names = {
        group.name for group in find_widths(make_toy(), SHAPE, OPTIONS.model_copy(update={"fix_last": True})).groups
    }
    assert names == {"stem.0", "point.0", "branch.0"}


def test_a_layer_that_cannot_be_cropped_is_named_with_the_reason():
    class Sorting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(1, 6, 3), nn.Conv2d(6, 4, 1)
            self.classifier = nn.Linear(4, 3)

        def forward(self, x):
            return self.classifier(self.second(self.first(x).sort(1).values).mean((2, 3)))

    space = find_widths(Sorting(), SHAPE, OPTIONS)
    assert [group.name for group in space.groups] == ["second"]
    assert dict(space.frozen)["first"].startswith("works along the channels: sort")


class Reading(nn.Module):
    """Reads a value of its images, which tensors without values do not have."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.classifier = nn.Conv2d(1, 6, 3), nn.Linear(6, 3)

    def forward(self, x):
        return self.classifier(self.conv(x).mean((2, 3))) * (2 if float(x.sum()) > 1e9 else 1)


@pytest.mark.parametrize(("net", "is_bare"), [(make_toy, True), (Reading, False)])
def test_values_are_computed_only_for_nets_that_need_them(net, is_bare):
    assert trace(net(), SHAPE).tracer.is_bare is is_bare


def test_a_net_that_cannot_read_the_images_is_refused_in_a_line():
    with pytest.raises(WidthError, match=r"^Toy does not run on images of 3x8x8: .*; change task.image_size"):
        find_widths(make_toy(), (3, 8, 8), OPTIONS)
