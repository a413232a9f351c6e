from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest

from kdsearch.report.charts import HEIGHT, WIDTH, Axis, Frame, bars, dots, draw, line, staircase, whisker


def make_frame(low: float = 0, high: float = 10) -> Frame:
    axis = Axis(low, high, (low, high), "an <axis>", lambda value: f"{value:g}")
    return Frame(axis, axis)


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0, 10], (0, 2, 4, 6, 8, 10)),
        ([0.62, 0.68], (0.62, 0.64, 0.66, 0.68)),
        ([71e6, 75e6], (71e6, 72e6, 73e6, 74e6, 75e6)),
    ],
)
def test_ticks_are_round_and_cover_the_values(values, ticks):
    axis = Axis.over(values, "", str)
    assert axis.ticks == pytest.approx(ticks)
    assert axis.low < min(values) < max(values) < axis.high


@pytest.mark.parametrize("values", [[], [5.0], [0.0], [math.nan], [math.inf, 1.0]])
def test_an_axis_over_one_value_or_none_has_a_width_all_the_same(values):
    axis = Axis.over(values, "", str)
    assert axis.high > axis.low
    assert axis.ticks


def test_a_floor_keeps_shares_from_going_below_zero():
    assert Axis.over([0, 1], "", str, floor=0).low == 0


def test_larger_values_lie_further_right_and_higher_up():
    frame = make_frame()
    (left, low), (right, high) = frame.at((1, 1)), frame.at((9, 9))
    assert 0 < left < right < WIDTH
    assert HEIGHT > low > high > 0


def test_a_staircase_keeps_each_height_until_the_next_step():
    assert staircase([(0, 1), (2, 3), (5, 4)]) == [(0, 1), (2, 1), (2, 3), (5, 3), (5, 4)]


def test_a_line_breaks_where_a_value_is_missing():
    drawn = line(make_frame(), [(0, 1), (1, 2), (2, math.nan), (3, 4)], "winner")
    assert len(re.findall("M", drawn)) == 2
    assert "nan" not in drawn


def test_the_picture_is_well_formed_and_escapes_what_it_is_given():
    frame = make_frame()
    svg = draw(
        frame,
        dots(frame, [((1, 2), "<script>alert('x')</script> & more")], "trial"),
        bars(frame, [(0.5, 'a "layer"')], "winner"),
        whisker(frame, (3, 4), 1, "winner"),
        about='"quoted"',
    )
    root = ElementTree.fromstring(svg)
    titles = [node.text for node in root.iter("title")]
    assert titles == ["<script>alert('x')</script> & more", 'a "layer"']
    assert "<script" not in svg


def test_a_whole_axis_has_no_ticks_between_numbers():
    assert Axis.over([1, 2, 3], "epoch", str, whole=True).ticks == (1.0, 2.0, 3.0)
    assert 1.5 in Axis.over([1, 2, 3], "epoch", str).ticks
