"""status, report: how far a run is, and what came out."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kdsearch.cli.finding import find_any_run, find_run, is_study_run
from kdsearch.cli.output import say, say_json
from kdsearch.errors import ExportError, StoreError
from kdsearch.exporters.base_manifest import read_manifest
from kdsearch.files import unseal
from kdsearch.quoting import say_command
from kdsearch.records import RunPaths
from kdsearch.rundir.runlog import read_failure
from kdsearch.rundir.taught import CARD, read_teach_run
from kdsearch.spec.metric import Metric


def report(given: argparse.Namespace) -> int:
    """Writes report.html anew and says where it is."""
    from kdsearch.report.html import write_html

    page = write_html(find_run(given.run))
    if given.json:
        say_json({"report": str(page)})
    else:
        say(str(page))
    return 0


def status(given: argparse.Namespace) -> int:
    """Says how far a run is; it may be under way."""
    from kdsearch.report.console import print_status

    path = find_any_run(given.run)
    found = describe_progress(path) if is_study_run(path) else describe_teaching(path)
    if given.json:
        say_json(found)
    else:
        print_status(found)
    return 0


def describe_progress(path: Path) -> dict[str, Any]:
    """State, trials so far, the best one, seconds by phase, and the students and their files if there are any."""
    from kdsearch.report.console import GO_ON
    from kdsearch.rundir.ended import read_ended
    from kdsearch.rundir.ledger import read_outcomes
    from kdsearch.rundir.store import find_driver, read_spec

    spec = read_spec(RunPaths(path))
    summary = summary_of(path)
    outcomes = read_ended(RunPaths(path), summary) if summary else read_outcomes(RunPaths(path))
    done = [outcome for outcome in outcomes if outcome.state == "done"]
    best = max(done, key=lambda outcome: outcome.merit, default=None)
    driver = find_driver(RunPaths(path))
    state = read_state(path, summary)
    found: dict[str, Any] = {"run": str(path), "state": state}
    if state == "failed":
        found["reason"] = read_failure(RunPaths(path))
    if driver:
        found["driver"] = driver
    if summary.get("exhausted"):
        found["exhausted"] = summary["exhausted"]
    found["trials"] = {"done": len(done), "failed": len(outcomes) - len(done), "of": spec.budget.trials}
    if best:
        found["best"] = {"trial": best.number, best.metric.name: best.figure, **best.costs}
    seconds = _read_json(path / "seconds.json")
    found["seconds"] = unseal(seconds, path / "seconds.json") if "seal" in seconds else seconds
    name = read_metric(summary).name
    found["students"] = {row["id"]: {name: row["metrics"][name]} for row in summary.get("students", ())}
    if exported := {row["id"] for row in summary.get("students", ()) if set(row.get("files", ())) - {"weights"}}:
        found["files"] = {name: _check_files(path / "students" / name) for name in sorted(exported)}
    if state in ("unfinished", "failed"):
        found[GO_ON] = say_command("resume", path)
    return found


def describe_teaching(path: Path) -> dict[str, Any]:
    """How far a teacher's training is, and what to name in a study once it is done."""
    run = read_teach_run(path)
    found: dict[str, Any] = {"run": str(path), "state": run.state, "net": run.net}
    if run.state == "done":
        return found | {run.metric.name: run.figure, "card": str(path / CARD)}
    if run.reason:
        found["reason"] = run.reason
    return found if run.state == "running" else found | {"goes on with": "the kdsearch teach command that began it"}


def _check_files(folder: Path) -> str:
    """Whether exported files are still those that their manifest describes."""
    try:
        read_manifest(folder)
    except ExportError as error:
        return str(error)
    return "as they were exported"


def read_metric(summary: Mapping[str, Any]) -> Metric:
    """The figure by which the run's task judges nets."""
    return Metric.of((summary.get("task") or {}).get("metric"))


def read_state(path: Path, summary: Mapping[str, Any]) -> str:
    """running, done, stopped, failed or unfinished."""
    from kdsearch.rundir.store import find_driver

    if find_driver(RunPaths(path)):
        return "running"
    return str(summary.get("state") or ("failed" if read_failure(RunPaths(path)) else "unfinished"))


def _read_json(path: Path) -> dict[str, Any]:
    """What a file of the run says; empty if the run has not come so far as to write it."""
    try:
        read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"{path}: cannot be read: {error}; delete it") from None
    if not isinstance(read, dict):
        raise StoreError(f"{path}: cannot be read: it holds no JSON object; delete it")
    return read


def summary_of(path: Path) -> Mapping[str, Any]:
    """What summary.json says; empty if the run has not come so far as to write it."""
    from kdsearch.rundir.store import read_summary

    return read_summary(RunPaths(path)) if (path / "summary.json").exists() else {}
