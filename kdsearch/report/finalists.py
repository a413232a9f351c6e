"""How the winners were chosen among finalists; no torch here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from kdsearch.candidates.space import Candidate
from kdsearch.records import Finalist
from kdsearch.report.page import Section, Table
from kdsearch.report.run import Run
from kdsearch.report.words import name_budget
from kdsearch.spec.metric import Metric

_NOTE = (
    "{metric} on the {images}, in the search and after each round{score}; candidates enter by the score that "
    "the search ranks by. Each round trains its candidates anew, for more epochs; the best of the last one (✓) is the "
    "winner, and is then trained with other seeds."
)
_SCORE = ", and in brackets the {name}, by which finalists are compared"


def show_finalists(run: Run) -> Section | None:
    """A table a budget: what each finalist scored in the search and reached in each round; nothing without any."""
    if not run.finalists:
        return None
    budgets = sorted({each.budget for each in run.finalists})
    tables = []
    for budget in budgets:
        title = name_budget(budget) if len(budgets) > 1 else ""
        tables.append(_show_budget(run, [each for each in run.finalists if each.budget == budget], title))
    scored = run.score is not None and any(each.score is not None for each in run.finalists)
    metric = run.metric.on_validation
    said = _SCORE.format(name=run.score.axis) if run.score is not None and scored else ""
    return Section(
        "Finalists",
        tables=tuple(tables),
        note=_NOTE.format(metric=metric.words.capitalize(), images=metric.validated_on, score=said),
    )


def _show_budget(run: Run, finalists: Sequence[Finalist], title: str) -> Table:
    rounds = sorted({(each.round, each.epochs) for each in finalists})
    scores = {outcome.candidate.pairs: (outcome.number, outcome.figure) for outcome in run.done}
    known: dict[Candidate, dict[int, Finalist]] = {}
    for each in finalists:
        known.setdefault(each.candidate, {})[each.round] = each

    def merits(reached: Mapping[int, Finalist]) -> list[float]:
        """What a finalist reached, later rounds first; less than anything in those that it missed."""
        return [reached[number].merit if number in reached else -math.inf for number, _ in reversed(rounds)]

    ordered = sorted(known.items(), key=lambda item: merits(item[1]), reverse=True)  # a stable sort
    rows = []
    for at, (candidate, reached) in enumerate(ordered):
        number, figure = scores.get(candidate.pairs, (None, None))
        name = candidate.origin if number is None else f"trial {number}: {candidate.origin}"
        searched = "–" if figure is None else run.metric.on_validation.say(figure, 1)
        cells = (_say(reached[number], run.score) if number in reached else "–" for number, _ in rounds)
        rows.append((f"{name} ✓" if at == 0 and len(ordered) > 1 else name, searched, *cells))
    heads = ("finalist", "in the search", *(f"after {epochs} epochs" for _, epochs in rounds))
    return Table(heads, tuple(rows), title=title)


def _say(finalist: Finalist, score: Metric | None) -> str:
    said = finalist.metric.say(finalist.figure, 1)
    if finalist.score is None or score is None:
        return said
    return f"{said} ({score.times * finalist.score:.{score.digits + 1}f})".replace("-", "−")
