"""Headed sections and tables as HTML text."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def write_section(title: str, body: str) -> str:
    """A part of the page under a heading; ``body`` is HTML already."""
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def write_text_table(heads: Sequence[str], rows: Sequence[Sequence[str]], kinds: Sequence[str] = ()) -> str:
    """A table of cells that are plain text; ``kinds`` marks each row with the colour of a role."""
    return write_html_table(heads, [[escape(cell) for cell in row] for row in rows], kinds)


def write_html_table(heads: Sequence[str], rows: Sequence[Sequence[str]], kinds: Sequence[str]) -> str:
    """A table of cells that are HTML already; ``kinds`` marks each row with the colour of a role."""
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = []
    for number, row in enumerate(rows):
        key = f'<i class="{escape(kinds[number])}"></i>' if kinds else ""
        body.append(f"<tr><th>{key}{row[0]}</th>{''.join(f'<td>{cell}</td>' for cell in row[1:])}</tr>")
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'
