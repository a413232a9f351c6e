"""How the winners were chosen among finalists, as HTML text; no torch here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from kdsearch.records import comparable
from kdsearch.report.markup import write_section, write_text_table
from kdsearch.report.reading import Run
from kdsearch.report.words import name_budget
from kdsearch.spec.metric import Metric

_NOTE = (
    "<p class='small'>{metric} on the validation images, in the search and after each round{nats}; candidates enter by "
    "the score that the search ranks by. Each round trains its candidates anew, for more epochs; the best of the last "
    "one (✓) is the winner, and is then trained with other seeds.</p>"
)
_NATS = ", and in brackets the mean log-likelihood of their labels in nats, by which finalists are compared"


def write_finalists(run: Run) -> str:
    """A table a budget: what each finalist scored in the search and reached in each round; nothing without any."""
    found: Sequence[Mapping[str, Any]] = run.summary.get("finalists") or ()
    if not found:
        return ""
    budgets = sorted({int(row["budget"]) for row in found})
    tables = []
    for budget in budgets:
        title = f"<h3>{name_budget(budget)}</h3>" if len(budgets) > 1 else ""
        tables.append(title + _write_budget(run, [row for row in found if int(row["budget"]) == budget]))
    by_likelihood = any(row.get("score") is not None for row in found)
    return write_section(
        "Finalists",
        "".join(tables) + _NOTE.format(metric=run.metric.words.capitalize(), nats=_NATS if by_likelihood else ""),
    )


def _write_budget(run: Run, rows: Sequence[Mapping[str, Any]]) -> str:
    rounds = sorted({(int(row["round"]), int(row["epochs"])) for row in rows})
    scores = {outcome.candidate.pairs: (outcome.number, outcome.figure) for outcome in run.done}
    known: dict[tuple[tuple[str, Any], ...], dict[int, Mapping[str, Any]]] = {}
    for row in rows:
        known.setdefault(tuple(sorted(row["candidate"].items())), {})[int(row["round"])] = row

    def merits(reached: Mapping[int, Mapping[str, Any]]) -> list[float]:
        """What a finalist reached, later rounds first; less than anything in those that it missed."""
        return [
            _merit(reached[number], run.metric) if number in reached else -math.inf for number, _ in reversed(rounds)
        ]

    ordered = sorted(known.items(), key=lambda item: merits(item[1]), reverse=True)  # a stable sort
    table = []
    for key, reached in ordered:
        number, score = scores.get(key, (None, None))
        origin = next(iter(reached.values()))["origin"]
        name = origin if number is None else f"trial {number}: {origin}"
        searched = "–" if score is None else run.metric.say(score, 1)
        cells = (_say(reached[number], run.metric) if number in reached else "–" for number, _ in rounds)
        table.append([name, searched, *cells])
    if len(table) > 1:
        table[0][0] += " ✓"
    return write_text_table(("finalist", "in the search", *(f"after {epochs} epochs" for _, epochs in rounds)), table)


def _merit(row: Mapping[str, Any], metric: Metric) -> float:
    score = row.get("score")
    return comparable(metric.merit(float(row[metric.validation])) if score is None else float(score))


def _say(row: Mapping[str, Any], metric: Metric) -> str:
    said = metric.say(float(row[metric.validation]), 1)
    return said if row.get("score") is None else f"{said} ({float(row['score']):.3f})"
