"""A run's results as the note on its page of optuna-dashboard, in Markdown; no torch here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kdsearch.report.gains import DOUBT_MEANS
from kdsearch.report.parts import list_cells, list_heads, order_nets
from kdsearch.report.reading import read_run
from kdsearch.report.verdict import answer_all


def to_markdown(summary: Mapping[str, Any]) -> str:
    """The nets compared, one row each, the answers, and where the whole report lies."""
    run = read_run(summary, ())
    nets = [_row(list_cells(run, net)) for net in order_nets(run.nets)]
    table = (
        [_row(list_heads(run)), _row("---" for _ in list_heads(run)), *nets, "", DOUBT_MEANS]
        if nets
        else ["No student has been trained yet."]
    )
    answers = [f"* {answer.question} **{answer.word}** {answer.text}" for answer in answer_all(run)]
    report = f"Charts and lineage: `{run.summary.get('run_dir', '')}/report.html`"
    return "\n".join([f"# {run.name}: {run.state}", "", *table, "", *answers, "", report, ""])


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
