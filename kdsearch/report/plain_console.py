"""A console that data cannot steer: names of classes, files and nets may hold any character."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from kdsearch.errors import printable


class PlainConsole(Console):
    """Prints what it is given as it is: no markup, no guesses at what numbers are, and no control character in text."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


def plain(text: str, style: str = "") -> Text:
    """The text as a table measures it: with what the console would spell out spelled out."""
    return Text(printable(text), style=style)
