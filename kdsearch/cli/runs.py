"""status, list, report, export, dashboard: commands on runs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kdsearch.cli.output import say, say_json
from kdsearch.errors import ExportError, SpecError, StoreError, did_you_mean
from kdsearch.exporters.base_manifest import read_manifest
from kdsearch.files import unseal
from kdsearch.quoting import say_command
from kdsearch.records import RunPaths
from kdsearch.rundir.runlog import read_failure
from kdsearch.spec.metric import ACCURACY, Metric
from kdsearch.spec.sources import shipped_studies
from kdsearch.spec.teacher_card import shipped_cards

RUNS = Path("runs")
_SPEC = "spec.json"


def find_run(text: str) -> Path:
    """The run directory that ``text`` means: a path, or a name under runs/.

    Raises:
        SpecError: neither; the message lists the known runs.
    """
    for path in (Path(text), RUNS / text):
        if (path / _SPEC).is_file():
            return path.absolute()
    known = [path.name for path in known_runs()]
    hint = did_you_mean(Path(text).name, known)
    raise SpecError(f"{text}: not a run directory, nor the name of a run ({', '.join(known) or 'there is none'}){hint}")


def known_runs() -> list[Path]:
    """The run directories under runs/, the newest first."""
    found = [path for path in RUNS.glob("*") if (path / _SPEC).is_file()]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


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
        print_list(runs)
        say("")
    print_list(studies)
    say("")
    print_list(cards)
    return 0


def describe_run(path: Path) -> dict[str, Any]:
    """One line about a run: its directory, what it searches, how far it is, and its winner's headline figure."""
    from kdsearch.rundir.store import read_spec

    try:
        spec, summary = read_spec(RunPaths(path)), _summary_of(path)
    except StoreError:
        return {"run": str(path), "state": "damaged", "net": None, "strategy": None, ACCURACY.name: None}
    winner: dict[str, Any] = next((row for row in summary.get("students", ()) if row["role"] == "winner"), {})
    metric = _metric(summary)
    return {
        "run": str(path),
        "state": _state(path, summary),
        "net": spec.student.label,
        "strategy": spec.strategy.name,
        metric.name: winner.get("metrics", {}).get(metric.name),
    }


def _metric(summary: Mapping[str, Any]) -> Metric:
    return Metric.of((summary.get("task") or {}).get("metric"))


def _first_comment(path: Path) -> str:
    return path.read_text(encoding="utf-8").split("\n", 1)[0].removeprefix("#").strip()


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

    found = describe_progress(find_run(given.run))
    if given.json:
        say_json(found)
    else:
        print_status(found)
    return 0


def describe_progress(path: Path) -> dict[str, Any]:
    """State, trials so far, the best one, seconds by phase, and the students and their files if there are any."""
    from kdsearch.report.console import GO_ON
    from kdsearch.rundir.ledger import read_outcomes
    from kdsearch.rundir.store import find_driver, read_spec

    spec = read_spec(RunPaths(path))
    summary = _summary_of(path)
    outcomes = read_outcomes(RunPaths(path))
    done = [outcome for outcome in outcomes if outcome.state == "done"]
    best = max(done, key=lambda outcome: outcome.merit, default=None)
    driver = find_driver(RunPaths(path))
    state = _state(path, summary)
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
    name = _metric(summary).name
    found["students"] = {row["id"]: {name: row["metrics"][name]} for row in summary.get("students", ())}
    if exported := {row["id"] for row in summary.get("students", ()) if set(row.get("files", ())) - {"weights"}}:
        found["files"] = {name: _check_files(path / "students" / name) for name in sorted(exported)}
    if state in ("unfinished", "failed"):
        found[GO_ON] = say_command("resume", path)
    return found


def _check_files(folder: Path) -> str:
    """Whether exported files are still those that their manifest describes."""
    try:
        read_manifest(folder)
    except ExportError as error:
        return str(error)
    return "as they were exported"


def _state(path: Path, summary: Mapping[str, Any]) -> str:
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
        raise StoreError(f"{path}: cannot be read: {error}") from None
    if not isinstance(read, dict):
        raise StoreError(f"{path}: cannot be read: it holds no JSON object")
    return read


def _summary_of(path: Path) -> Mapping[str, Any]:
    """What summary.json says; empty if the run has not come so far as to write it."""
    from kdsearch.rundir.store import read_summary

    return read_summary(RunPaths(path)) if (path / "summary.json").exists() else {}
