"""What the page is made of: plain text in records, which the templates lay out and escape; no torch here."""

from __future__ import annotations

from dataclasses import dataclass, field

from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class Link:
    """A cell that leads to a file beside the page."""

    path: str


Cell = str | Link


@dataclass(frozen=True, slots=True)
class Table:
    """``kinds`` marks each row with the colour of a role; ``folded``: shown once its title is opened."""

    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    kinds: tuple[str, ...] = ()
    title: str = ""
    note: str = ""
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page under a heading; ``note`` is its small print."""

    title: str
    paragraphs: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image inside the page; ``source``: a data address."""

    words: str
    source: str


@dataclass(frozen=True, slots=True)
class Gallery:
    """Rows of pictures under a heading, each row with its title."""

    title: str
    rows: tuple[tuple[str, tuple[Picture, ...]], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A titled chart with its legend (CSS classes to words), or the sentence that says why there is none."""

    title: str
    svg: Markup = field(default_factory=Markup)
    legend: tuple[tuple[str, str], ...] = ()
    note: str = ""
