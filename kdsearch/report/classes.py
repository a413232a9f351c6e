"""How a winner fares class by class, as HTML text; no torch here."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from kdsearch.report.markup import write_section, write_text_table
from kdsearch.report.parts import order_nets
from kdsearch.report.reading import Net, Run
from kdsearch.report.words import say_percent

_SHOWN = 30  # the most classes that a table lists, and that a matrix shows


def write_classes(run: Run) -> str:
    """What is to be known of the data, and for each winner a table of its classes, the worst first, and its matrix."""
    notes = "".join(f"<p>{escape(note)}</p>" for note in run.section("task").get("notes") or ())
    parts = [_write_net(run, net) for net in order_nets(run.nets) if net.details.get("per_class")]
    return write_section("Class by class", notes + "".join(parts)) if notes or parts else ""


def _write_net(run: Run, net: Net) -> str:
    names: Sequence[str] = run.section("task").get("classes") or ()
    about = net.details["per_class"]
    seen = zip(about["accuracy"], about["images"], names, strict=True)
    known = sorted((float(share), str(name), int(images)) for share, images, name in seen if share is not None)
    matrix: Sequence[Sequence[int]] = net.details.get("confusion") or ()
    cells = [
        [name, f"{images:,}", say_percent(share), _taken_for(matrix, names, name)] for share, name, images in known
    ]
    more = f"<p class='small'>The worst {_SHOWN} of {len(cells)} classes.</p>" if len(cells) > _SHOWN else ""
    table = write_text_table(("class", "test images", "accuracy", "most often taken for"), cells[:_SHOWN]) + more
    return (
        f"<p>{escape(net.id)}, the exported net, on the test images; the worst class first.</p>{table}"
        + _write_matrix(matrix, names)
    )


def _taken_for(matrix: Sequence[Sequence[int]], names: Sequence[str], name: str) -> str:
    """The wrong answer that images of the class got most often, and how often."""
    if not matrix:
        return "–"
    own = names.index(name)
    wrong = [(count, other) for other, count in enumerate(matrix[own]) if other != own]
    count, other = max(wrong, key=lambda each: each[0])
    return f"{names[other]} ({count})" if count else "–"


def _write_matrix(matrix: Sequence[Sequence[int]], names: Sequence[str]) -> str:
    if not matrix or len(matrix) > _SHOWN:
        return ""
    rows = [[names[at], *(str(count) if count else "·" for count in row)] for at, row in enumerate(matrix)]
    table = write_text_table(("class ↓ answer →", *names), rows)
    return f"<details><summary>Confusion matrix</summary><div style='overflow-x:auto'>{table}</div></details>"
