"""report.html: what a run found, in one file that needs nothing else; no torch here."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdsearch import registry
from kdsearch.quoting import say_command
from kdsearch.records import Outcome, RunPaths
from kdsearch.report import parts
from kdsearch.report.amounts import draw_amounts
from kdsearch.report.classes import write_classes
from kdsearch.report.figures import draw_figures
from kdsearch.report.finalists import write_finalists
from kdsearch.report.reading import read_run
from kdsearch.rundir import store
from kdsearch.rundir.runlog import read_failure
from kdsearch.rundir.shapes import RECORD, read_shaped

if TYPE_CHECKING:
    from kdsearch.tasks.base import Task

FILE_NAME = "report.html"


def write_html(run_dir: str | Path) -> Path:
    """The path of the report that was written into the run directory, from its summary and its ledger.

    A run under way can be reported on too.

    Raises:
        StoreError: no run directory, a damaged file in it, or a full disk.
    """
    from kdsearch.rundir.ledger import read_outcomes

    run_dir = Path(run_dir)
    target = run_dir / FILE_NAME
    store.save_text(target, render(read_summary(run_dir), read_outcomes(RunPaths(run_dir))))
    return target


def render(summary: Mapping[str, Any], outcomes: Sequence[Outcome]) -> str:
    """The whole page. Nothing in it reaches out: its policy forbids the browser every request."""
    run = read_run(summary, outcomes)
    style, script = _read("style.css"), _read("page.js")
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{_digest(script)}'"
    body = "".join(
        (
            parts.write_head(run),
            parts.write_answers(run),
            parts.write_table(run),
            parts.write_amounts(run),
            write_finalists(run),
            parts.write_figures([*draw_amounts(run), *draw_figures(run)]),
            write_classes(run),
            parts.write_widths(run),
            parts.write_files(run),
            parts.write_origin(run),
            parts.write_commands(run),
        )
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"><link rel="icon" href="data:,">'
        f"<title>{escape(run.name)}: kdsearch report</title><style>{style}</style></head>"
        f'<body>{body}<div id="tip" role="status"></div><script>{script}</script></body></html>\n'
    )


def read_summary(run_dir: str | Path) -> Mapping[str, Any]:
    """What summary.json says; for a run that has none yet, what can be said before its end.

    Raises:
        StoreError: it is damaged or of another schema, or this is no run directory.
    """
    paths = store.open_run(Path(run_dir))
    return store.read_summary(paths) if (paths.root / "summary.json").exists() else _summarise_so_far(paths)


def _summarise_so_far(paths: RunPaths) -> dict[str, Any]:
    """The summary of a run under way, or killed, from the files it has written so far."""
    spec = store.read_spec(paths)
    kind: type[Task] = registry.find(spec.task.package, spec.task.name)
    failure = read_failure(paths)
    return {
        "schema": store.SCHEMA,
        "name": spec.name,
        "state": "failed" if failure else "running",
        "stopped": failure,
        "run_dir": str(paths.root),
        "seed": spec.seed,
        "net": spec.student.label,
        "task": {"data": kind.source(spec.task.options), "metric": kind.metric.describe()},
        "seconds": _load(paths.root / "seconds.json"),
        "prepared": _load(paths.prepared / "prepared.json"),
        "commands": {"resume": say_command("resume", paths.root)},
    }


def _load(path: Path) -> dict[str, Any]:
    """A JSON file that the run writes whole or not at all; empty where it has not come to that yet."""
    return {key: value for key, value in read_shaped(path, RECORD).items() if key != "seal"} if path.exists() else {}


def _read(name: str) -> str:
    return resources.files("kdsearch.report").joinpath(name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
