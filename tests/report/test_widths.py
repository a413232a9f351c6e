from __future__ import annotations

from kdsearch.report.reading import read_run
from kdsearch.report.widths import draw_widths, list_widths
from tests.report.conftest import UNIFORM


def test_each_layer_says_how_many_of_its_channels_are_kept(summary):
    svg = draw_widths(read_run(summary, ()), 0).svg
    assert "conv1: 48 of 64 channels" in svg
    assert "conv8: 208 of 512 channels" in svg


def test_the_widths_are_told_as_numbers_too(summary):
    (table,) = list_widths(read_run(summary, ()))
    assert table.folded
    assert table.rows[0] == ("conv1", "64", "48", str(UNIFORM["conv1"]))
