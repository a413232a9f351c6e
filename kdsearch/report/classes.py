"""How a winner fares class by class; no torch here."""

from __future__ import annotations

from collections.abc import Sequence

from kdsearch.report.page import Section, Table
from kdsearch.report.run import ClassFigures, Net, Run
from kdsearch.report.table import order_nets
from kdsearch.report.words import say_percent
from kdsearch.spec.metric import Metric

_SHOWN = 30  # the most classes that a table lists, and that a matrix shows


def show_classes(run: Run) -> Section | None:
    """What is to be known of the data, and for each winner a table of its classes, the worst first, and its matrix."""
    tables = [table for net in order_nets(run.nets) if net.classes for table in _show_net(net, run.metric)]
    return Section("Class by class", run.notes, tuple(tables)) if run.notes or tables else None


def _show_net(net: Net, metric: Metric) -> list[Table]:
    known = [row for row in net.classes if row.accuracy is not None]
    rows = [
        (row.name, f"{row.images:,}", say_percent(row.accuracy or 0.0), _say_taken_for(net.classes, at))
        for at, row in enumerate(net.classes)
        if row.accuracy is not None
    ]
    worst = sorted(range(len(rows)), key=lambda at: (known[at].accuracy, known[at].name))[:_SHOWN]
    table = Table(
        ("class", metric.tested_on, metric.words, "most often taken for"),
        tuple(rows[at] for at in worst),
        title=f"{net.id}: the exported net on the {metric.tested_on}, the worst class first",
        note=f"The worst {_SHOWN} of {len(rows)} classes." if len(rows) > _SHOWN else "",
    )
    return [table, *_show_matrix(net)]


def _say_taken_for(classes: Sequence[ClassFigures], own: int) -> str:
    """The wrong answer that images of the class got most often, and how often."""
    wrong = [(count, other) for other, count in enumerate(classes[own].answers) if other != own]
    count, other = max(wrong, key=lambda each: each[0], default=(0, own))
    return f"{classes[other].name} ({count})" if count else "–"


def _show_matrix(net: Net) -> list[Table]:
    if not net.classes[0].answers or len(net.classes) > _SHOWN:
        return []
    names = tuple(row.name for row in net.classes)
    rows = tuple((row.name, *(str(count) if count else "·" for count in row.answers)) for row in net.classes)
    return [Table(("class ↓ answer →", *names), rows, title=f"{net.id}: confusion matrix", folded=True)]
