"""The table of results: what finished runs say about winner, uniform, random and full nets."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kdsearch.costs import HEADLINE
from kdsearch.errors import StoreError
from kdsearch.records import RunPaths
from kdsearch.report.gains import gain_interval, gain_over, say_interval
from kdsearch.report.reading import read_run
from kdsearch.report.run import Net, Run
from kdsearch.report.verdict import judge_search
from kdsearch.rundir.store import read_summary
from kdsearch.rundir.summary import Summary


def run(*, folder: str = "runs/results", on_row: Callable[[dict[str, Any]], None] | None = None) -> dict[str, Any]:
    """``rows``: for each run below ``folder`` and each budget, test figures with spreads, gains and their intervals.

    Raises:
        StoreError: no finished run lies there.
    """
    found = sorted(Path(folder).glob("*/summary.json"))
    if not found:
        raise StoreError(f"{folder}: no finished run below it; make results runs the studies")
    rows = [row for path in found for row in tabulate(read_summary(RunPaths(path.parent)))]
    for row in rows:
        if on_row is not None:
            on_row(row)
    return {"suite": "results", "rows": rows}


def tabulate(summary: Summary) -> list[dict[str, Any]]:
    """One row a budget, in the metric's unit: accuracies in percent, ``gain`` (winner less uniform) in points.

    ``interval``: the gain's 95% interval, or why there is none; ``worth_it``: the report's word on the search and
    ``grounds`` its sentence, so that no row claims what its interval does not.
    """
    told = read_run(summary, ())
    return [_describe(told, winner) for winner in told.nets if winner.role == "winner"]


def _describe(told: Run, winner: Net) -> dict[str, Any]:
    budget, times = winner.budget or 0, told.metric.times
    uniform = told.find("uniform", budget)
    random = [times * net.figure for net in told.find_all("random", budget)]
    gain = None if uniform is None else gain_over(told, winner, uniform)
    judged = judge_search(told, budget)
    return {
        "study": told.name,
        "net": told.net,
        "macs": winner.cost(HEADLINE),
        "winner": _figure(told, winner),
        "uniform": _figure(told, uniform),
        "random": round(statistics.fmean(random), 2) if random else None,
        "best_random": round(max(random) if told.metric.better == "higher" else min(random), 2) if random else None,
        "full": _figure(told, told.full),
        "gain": None if gain is None else round(times * gain, 2),
        "interval": _say_interval(told, winner, uniform),
        "worth_it": judged.word,
        "grounds": judged.text,
        "proxy_ratio": told.judgement.ratio,
        "seconds": round(sum(told.seconds.values())),
    }


def _say_interval(told: Run, winner: Net, uniform: Net | None) -> str | None:
    if uniform is None:
        return None
    found = gain_interval(told, winner, uniform)
    return "none: one training each" if found is None else say_interval(told.metric, found, more_digits=1)


def _figure(told: Run, net: Net | None) -> str | None:
    if net is None:
        return None
    times = told.metric.times
    return f"{times * net.figure:.2f}" + (f" +- {times * net.spread:.2f}" if net.spread is not None else "")
