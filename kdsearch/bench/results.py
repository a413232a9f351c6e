"""The table of results: what finished runs say about winner, uniform, random and full nets."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kdsearch.errors import StoreError
from kdsearch.records import RunPaths
from kdsearch.rundir.store import read_summary
from kdsearch.spec.metric import ACCURACY


def run(*, folder: str = "runs/results", on_row: Callable[[dict[str, Any]], None] | None = None) -> dict[str, Any]:
    """``rows``: for each run below ``folder`` and each budget, test accuracies with spreads, and the gains.

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


def tabulate(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row a budget: accuracies in percent; ``gain`` is winner less uniform in points."""
    students: Sequence[Mapping[str, Any]] = summary["students"]
    full = next((student for student in students if student["role"] == "full"), None)
    rows = []
    for winner in (student for student in students if student["role"] == "winner"):
        beside = [student for student in students if student["budget"] == winner["budget"]]
        uniform = next((student for student in beside if student["role"] == "uniform"), None)
        random = [100 * student["metrics"][ACCURACY.name] for student in beside if student["role"] == "random"]
        row = {
            "study": summary["name"],
            "net": summary["net"],
            "macs": winner["costs"]["macs"],
            "winner": _figure(winner),
            "uniform": _figure(uniform),
            "random": round(statistics.fmean(random), 2) if random else None,
            "best_random": round(max(random), 2) if random else None,
            "full": _figure(full),
            "gain": round(_percent(winner) - _percent(uniform), 2) if uniform else None,
            "proxy_ratio": summary["proxy"].get("ratio"),
            "seconds": round(sum(summary["seconds"].values())),
        }
        rows.append(row)
    return rows


def _percent(student: Mapping[str, Any]) -> float:
    return 100 * float(student["metrics"][ACCURACY.name])


def _figure(student: Mapping[str, Any] | None) -> str | None:
    if student is None:
        return None
    spread = student["spread"].get(ACCURACY.name)
    return f"{_percent(student):.2f}" + (f" +- {100 * spread:.2f}" if spread is not None else "")
