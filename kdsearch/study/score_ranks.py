"""Whether the order by score was the order after training, of the candidates for which a run knows both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from kdsearch.measures.ranks import rank_agreement
from kdsearch.records import Finalist, Outcome


def describe_ranks(outcomes: Sequence[Outcome], finalists: Sequence[Finalist]) -> dict[str, Any] | None:
    """Kendall's tau of scores and what the first round of finalists reached, within each budget; None of too few.

    They are the best-scored and the uniform net, not a sample of all: their scores lie close together, so that the tau
    of all candidates is higher, if anything.
    """
    scores = {outcome.candidate: outcome.merit for outcome in outcomes if outcome.state == "done"}
    rows: dict[int, list[tuple[float, float]]] = {}
    for each in finalists:
        if each.round == 1 and each.candidate in scores:
            rows.setdefault(each.budget, []).append((scores[each.candidate], each.merit))
    found = rank_agreement(list(rows.values()))
    return None if found is None else asdict(found)
