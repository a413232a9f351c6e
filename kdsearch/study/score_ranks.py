"""Whether the order by score was the order after training, of the candidates for which a run knows both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from kdsearch.measures.ranks import LEAST, rank_agreement
from kdsearch.records import Finalist, Outcome

Rows = list[list[tuple[float, float]]]


def describe_ranks(outcomes: Sequence[Outcome], finalists: Sequence[Finalist]) -> dict[str, Any]:
    """``rank``: Kendall's tau of scores and what the first round of finalists reached, within each budget.

    It is None of too few, and ``rank_unknown`` then says how many there were and how many it takes.

    They are the best-scored and the uniform net, not a sample of all: their scores lie close together, so that the tau
    of all candidates is higher, if anything.
    """
    rows = _pair(outcomes, finalists)
    found = rank_agreement(rows)
    return {"rank": None, "rank_unknown": _explain(rows)} if found is None else {"rank": asdict(found)}


def _pair(outcomes: Sequence[Outcome], finalists: Sequence[Finalist]) -> Rows:
    """(score, reached) of each finalist whose score the ledger knows, one row a budget."""
    scores = {outcome.candidate: outcome.merit for outcome in outcomes if outcome.state == "done"}
    rows: dict[int, list[tuple[float, float]]] = {}
    for each in finalists:
        if each.round == 1 and each.candidate in scores:
            rows.setdefault(each.budget, []).append((scores[each.candidate], each.merit))
    return list(rows.values())


def _explain(rows: Rows) -> str:
    most = max(map(len, rows), default=0)
    had = f"{most} candidate{'s' * (most != 1)} with a score" if most else "no candidate"
    return f"{had} of one budget had a training of its own, and it takes {LEAST}: set finish.finalists to 8, say"
