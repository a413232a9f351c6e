"""list: the runs here, and the studies and teachers that come with kdsearch."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kdsearch.cli.finding import is_study_run, known_runs
from kdsearch.cli.output import say, say_json
from kdsearch.cli.runs import read_metric, read_state, summary_of
from kdsearch.errors import KdsearchError
from kdsearch.records import RunPaths
from kdsearch.rundir.taught import read_teach_run
from kdsearch.spec.metric import ACCURACY
from kdsearch.spec.sources import shipped_studies
from kdsearch.spec.teacher_card import shipped_cards

_WRONG = "reason"


def list_all(given: argparse.Namespace) -> int:
    """The runs under runs/, the studies that are shipped, and the cards of teachers."""
    from kdsearch.report.console import print_list

    runs = [describe_run(path) for path in known_runs()]
    studies = [{"study": name, "about": _first_comment(path)} for name, path in shipped_studies().items()]
    shipped = shipped_cards().items()
    cards = [{"teacher": name.removesuffix(".yaml"), "about": _first_comment(path)} for name, path in shipped]
    if given.json:
        say_json({"runs": runs, "studies": studies, "teachers": cards})
        return 0
    if runs:
        _print_runs(runs)
        say("")
    print_list(studies)
    say("")
    print_list(cards)
    return 0


def _print_runs(runs: Sequence[Mapping[str, Any]]) -> None:
    """A table, and below it what is wrong with those that are damaged or failed, a line each."""
    from kdsearch.report.console import print_list

    print_list([{key: value for key, value in run.items() if key != _WRONG} for run in runs])
    for run in runs:
        if _WRONG in run:
            say(f"{run['run']} {'is damaged' if run['state'] == 'damaged' else 'failed'}: {run[_WRONG]}")


def describe_run(path: Path) -> dict[str, Any]:
    """One line about a run: its directory, how far it is, its net and strategy, and its winner's headline figure."""
    try:
        return _describe_study(path) if is_study_run(path) else _describe_teacher(path)
    except (KdsearchError, OSError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        return _row(path, "damaged", None, None) | {ACCURACY.name: None, _WRONG: why}


def _describe_study(path: Path) -> dict[str, Any]:
    from kdsearch.rundir.runlog import read_failure
    from kdsearch.rundir.store import read_spec

    spec, summary = read_spec(RunPaths(path)), summary_of(path)
    winner: Mapping[str, Any] = next((row for row in summary.get("students", ()) if row["role"] == "winner"), {})
    metric, state = read_metric(summary), read_state(path, summary)
    why = {_WRONG: read_failure(RunPaths(path))} if state == "failed" else {}
    row = _row(path, state, spec.student.label, spec.strategy.name)
    return row | {metric.name: winner.get("metrics", {}).get(metric.name)} | why


def _describe_teacher(path: Path) -> dict[str, Any]:
    found = read_teach_run(path)
    why = {_WRONG: found.reason} if found.state == "failed" else {}
    return _row(path, found.state, found.net, "teach") | {found.metric.name: found.figure} | why


def _row(path: Path, state: str, net: str | None, strategy: str | None) -> dict[str, Any]:
    return {"run": str(path), "state": state, "net": net, "strategy": strategy}


def _first_comment(path: Path) -> str:
    return path.read_text(encoding="utf-8").split("\n", 1)[0].removeprefix("#").strip()
