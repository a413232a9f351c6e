"""Tables of figures in a terminal, a line a row however narrow it is; no torch here."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TextIO

from kdsearch.errors import printable
from kdsearch.report.console import open_console

_GAP, _LEAST = 2, 12  # characters between columns, and of a text that is cut off


@dataclass(frozen=True, slots=True)
class Column:
    """``kind``: figures stand to the right, words to the left, and text is cut off where room ends.

    ``spare``: left out where the terminal is too narrow for all.
    """

    head: str
    kind: Literal["figures", "words", "text"] = "figures"
    spare: bool = False


def print_columns(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    *,
    styles: Sequence[str] = (),
    stream: TextIO | None = None,
) -> None:
    """One line a row; ``styles``: of each row, as rich names them."""
    from rich.table import Table

    from kdsearch.report.plain_console import plain

    rows = [[printable(cell) for cell in row] for row in rows]
    console = open_console(stream or sys.stdout)
    widths = [_measure(column, cells) for column, *cells in zip(columns, *rows, strict=True)]
    kept = _fit(columns, widths, console.width)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for at in kept:
        kind = columns[at].kind
        align: Literal["left", "right"] = "right" if kind == "figures" else "left"
        least = None if kind == "text" else widths[at]
        table.add_column(plain(columns[at].head), justify=align, no_wrap=True, overflow="ellipsis", min_width=least)
    for row, style in zip(rows, [*styles, *[""] * len(rows)], strict=False):
        table.add_row(*(plain(row[at]) for at in kept), style=style)
    console.print(table)


def _measure(column: Column, cells: Sequence[str]) -> int:
    """Characters that the column needs."""
    widest = max(map(len, (column.head, *cells)))
    return min(widest, _LEAST) if column.kind == "text" else widest


def _fit(columns: Sequence[Column], widths: Sequence[int], room: int) -> list[int]:
    """The columns that are shown: the last of the spare ones go first."""
    kept = [*range(len(columns))]
    for at in reversed([at for at in kept if columns[at].spare]):
        if sum(widths[each] + _GAP for each in kept) - _GAP > room:
            kept.remove(at)
    return kept
