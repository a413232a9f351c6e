"""Whether channels that arrive are told apart, and when only their number is."""

import numpy as np
import pytest
from torch import nn

from kdsearch.tracing.units import Mark, UnitMismatchError, classify
from kdsearch.widths.finding import trace
from kdsearch.widths.groups import group_units
from kdsearch.widths.unit_check import UnitCheck

ARRIVING = ("1:in", 0)


def check_of(kept):
    """The ledger of two convolutions with ``kept`` of the four channels between them."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3))
    traced = trace(net, (3, 8, 8))
    grouping = group_units(traced.recorder, classify(traced.recorder), [])
    return UnitCheck(grouping, traced.recorder.ports, np.array([kept]), traced.marks[0])


def test_channels_that_arrive_in_another_order_are_noticed_though_the_sizes_fit():
    check = check_of(3)
    units = check.expected(ARRIVING)
    check.arrive(ARRIVING, units)
    with pytest.raises(UnitMismatchError, match="other channels arrive at 1 than the crop keeps"):
        check.arrive(ARRIVING, units.flip(0))


@pytest.mark.parametrize(("kept", "arriving"), [(3, 4), (3, 2), (1, 2)])
def test_another_number_of_channels_is_noticed(kept, arriving):
    check = check_of(kept)
    with pytest.raises(UnitMismatchError, match=f"{arriving} channels arrive at 1, the crop keeps {kept}"):
        check.arrive(ARRIVING, check_of(4).expected(ARRIVING)[:arriving])


@pytest.mark.parametrize("kept", [1, 3])
def test_another_shape_on_the_way_is_noticed_even_where_one_channel_is_kept(kept):
    check = check_of(kept)
    mark = check.marks["0"][0]
    check.see("0", Mark(mark.operator, (1, kept, *mark.shape[2:]), None))
    check._next.clear()
    with pytest.raises(UnitMismatchError, match="gives the shape"):
        check.see("0", Mark(mark.operator, (1, kept + 1, *mark.shape[2:]), None))
