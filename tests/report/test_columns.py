from __future__ import annotations

import io

import pytest

from kdsearch.report.columns import Column, print_columns

COLUMNS = (Column("net"), Column("size", spare=True), Column("parts", spare=True), Column("told", "text"))
ROWS = (("a", "1.25 MB", "12", "short"), ("winner", "9 kB", "1", "a sentence of which there is much more"))


def printed(width: int, monkeypatch) -> list[str]:
    monkeypatch.setattr("kdsearch.report.console.PLAIN_WIDTH", width)
    stream = io.StringIO()
    print_columns(COLUMNS, ROWS, stream=stream)
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def test_figures_stand_to_the_right_and_text_to_the_left(monkeypatch):
    assert printed(80, monkeypatch) == [
        "   net     size  parts  told",
        "     a  1.25 MB     12  short",
        "winner     9 kB      1  a sentence of which there is much more",
    ]


@pytest.mark.parametrize(
    # 6 for the net, 7 for the size, 5 for the parts, at least 12 of the text, 2 between columns
    ("width", "heads"),
    [(36, "net size parts told"), (35, "net size told"), (29, "net size told"), (28, "net told")],
)
def test_spare_columns_go_from_the_last_where_there_is_no_room(width, heads, monkeypatch):
    lines = printed(width, monkeypatch)
    assert lines[0].split() == heads.split()
    assert len(lines) == 3
    assert max(map(len, lines)) <= width


def test_a_table_without_rows_is_its_heads():
    stream = io.StringIO()
    print_columns(COLUMNS, [], stream=stream)
    assert stream.getvalue().split() == ["net", "size", "parts", "told"]
