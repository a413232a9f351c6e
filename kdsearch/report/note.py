"""A run's results as the note on its page of optuna-dashboard, in Markdown; no torch here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from kdsearch.report.gains import DOUBT_MEANS
from kdsearch.report.reading import read_run
from kdsearch.report.table import list_cells, list_compared, list_heads, list_unmeasured
from kdsearch.report.verdict import answer_all

if TYPE_CHECKING:
    from kdsearch.rundir.summary import Summary

_SIGNS = re.compile(r"([\\`*_{}\[\]<>#|!~&])")


def to_markdown(summary: Summary) -> str:
    """The nets compared, one row each, the answers, and where the whole report lies; names are text, not Markdown."""
    run = read_run(summary, ())
    nets = [_row(list_cells(run, net)) for net in list_compared(run)]
    table = (
        [_row(list_heads(run)), "|---" * len(list_heads(run)) + "|", *nets, "", _plain(DOUBT_MEANS)]
        if run.nets
        else ["No student has been trained yet."]
    )
    answers = [f"* {_plain(answer.question)} **{answer.word}** {_plain(answer.text)}" for answer in answer_all(run)]
    report = f"Charts and lineage: {_plain(f'{run.run_dir}/report.html')}"
    unmeasured = [_plain(line) for line in list_unmeasured(run)]
    return "\n".join([f"# {_plain(run.name)}: {run.state}", "", *table, "", *unmeasured, *answers, "", report, ""])


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(_plain(cell) for cell in cells)} |"


def _plain(text: str) -> str:
    """The text with every sign that Markdown or HTML would read as more than itself escaped, on one line."""
    return _SIGNS.sub(r"\\\1", " ".join(text.split()))
