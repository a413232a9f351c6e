"""How the winners were chosen among finalists, as HTML text; no torch here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kdsearch.report.parts import write_section, write_text_table
from kdsearch.report.reading import Run
from kdsearch.report.words import say_percent

_NOTE = (
    "<p class='small'>Accuracy on the validation images, in the search and after each round; candidates enter by the "
    "score that the search ranks by. Each round trains its candidates anew, for more epochs; the best of the last one "
    "(✓) is the winner, and is then trained with other seeds.</p>"
)


def write_finalists(run: Run) -> str:
    """A table a budget: what each finalist scored in the search and reached in each round; nothing without any."""
    found: Sequence[Mapping[str, Any]] = run.summary.get("finalists") or ()
    if not found:
        return ""
    budgets = sorted({int(row["budget"]) for row in found})
    tables = []
    for budget in budgets:
        title = f"<h3>Budget {budget + 1}</h3>" if len(budgets) > 1 else ""
        tables.append(title + _write_budget(run, [row for row in found if int(row["budget"]) == budget]))
    return write_section("Finalists", "".join(tables) + _NOTE)


def _write_budget(run: Run, rows: Sequence[Mapping[str, Any]]) -> str:
    rounds = sorted({(int(row["round"]), int(row["epochs"])) for row in rows})
    scores = {outcome.candidate.pairs: (outcome.number, outcome.metrics["accuracy"]) for outcome in run.done}
    cells: dict[tuple[tuple[str, Any], ...], list[str]] = {}
    for row in rows:
        key = tuple(sorted(row["candidate"].items()))
        number, score = scores.get(key, (None, None))
        name = row["origin"] if number is None else f"trial {number}: {row['origin']}"
        known = cells.setdefault(key, [name, "–" if score is None else say_percent(score, 2), *("–" for _ in rounds)])
        known[1 + int(row["round"])] = say_percent(float(row["validation_accuracy"]), 2)
    ordered = sorted(cells.values(), key=_reached, reverse=True)  # of equals the one that came first
    if len(ordered) > 1:
        ordered[0][0] += " ✓"
    return write_text_table(("finalist", "in the search", *(f"after {epochs} epochs" for _, epochs in rounds)), ordered)


def _reached(cells: Sequence[str]) -> list[float]:
    """What a finalist reached in its last round, later rounds first; less than nothing in those that it missed."""
    return [-1.0 if cell == "–" else float(cell.split()[0]) for cell in reversed(cells[2:])]
