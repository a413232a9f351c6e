"""report.html: what a run found, in one file that needs nothing else; no torch here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from kdsearch import registry
from kdsearch.quoting import say_command
from kdsearch.records import Outcome, RunPaths
from kdsearch.report.amounts import draw_amounts
from kdsearch.report.answers import show_answers, show_head
from kdsearch.report.classes import show_classes
from kdsearch.report.figures import draw_figures
from kdsearch.report.finalists import show_finalists
from kdsearch.report.gallery import show_pictures
from kdsearch.report.page import Gallery, Section
from kdsearch.report.reading import read_run
from kdsearch.report.rendering import render_template
from kdsearch.report.sections import show_files, show_origin
from kdsearch.report.table import show_amounts, show_nets
from kdsearch.report.widths import list_widths
from kdsearch.rundir import store
from kdsearch.rundir.runlog import read_failure
from kdsearch.rundir.shapes import RECORD, read_shaped
from kdsearch.rundir.summary import Summary, begin_summary

if TYPE_CHECKING:
    from kdsearch.rundir.summary import MetricRow, PreparedRow, TaskRow
    from kdsearch.tasks.base import Task

FILE_NAME = "report.html"


def write_html(run_dir: str | Path) -> Path:
    """The path of the report that was written into the run directory, from its summary and its ledger.

    A run under way can be reported on too.

    Raises:
        StoreError: no run directory, a damaged file in it, or a full disk.
    """
    from kdsearch.rundir.ended import read_ended

    run_dir = Path(run_dir)
    paths, summary = RunPaths(run_dir), read_summary(run_dir)
    target = run_dir / FILE_NAME
    store.save_text(target, render(summary, read_ended(paths, summary), show_pictures(paths)))
    return target


def render(summary: Summary, outcomes: Sequence[Outcome], pictures: Gallery | None = None) -> str:
    """The whole page. Nothing in it reaches out: its policy forbids the browser every request."""
    run = read_run(summary, outcomes)
    return render_template(
        "page.html",
        head=show_head(run),
        cards=show_answers(run),
        first=_present(show_nets(run), show_amounts(run), show_finalists(run)),
        figures=[*draw_amounts(run), *draw_figures(run)],
        then=_present(show_classes(run)),
        pictures=pictures,
        widths=list_widths(run),
        last=[show_files(run)],
        origin=show_origin(run),
        commands=run.commands,
    )


def _present(*sections: Section | None) -> list[Section]:
    return [section for section in sections if section is not None]


def read_summary(run_dir: str | Path) -> Summary:
    """What summary.json says; for a run that has none yet, what can be said before its end.

    Raises:
        StoreError: it is damaged or of another schema, or this is no run directory.
    """
    paths = store.open_run(Path(run_dir))
    return store.read_summary(paths) if (paths.root / "summary.json").exists() else _summarise_so_far(paths)


def _summarise_so_far(paths: RunPaths) -> Summary:
    """The summary of a run under way, or killed, from the files it has written so far."""
    spec = store.read_spec(paths)
    kind: type[Task] = registry.find(spec.task.package, spec.task.name)
    failure, score = read_failure(paths), spec.score_metric
    task: TaskRow = {
        "name": spec.task.name,
        "metric": cast("MetricRow", spec.task.metric.describe()),
        "data": kind.source(spec.task.options),
        "digest": "",
        "classes": [],
        "input": {"shape": (0, 0, 0), "mean": [], "std": []},
        "notes": [],
    }
    return {
        **begin_summary(spec.name, task),
        "state": "failed" if failure else "running",
        "stopped": failure,
        "ranked_by": None if score is None else cast("MetricRow", score.describe()),
        "run_dir": str(paths.root),
        "seed": spec.seed,
        "net": spec.student.label,
        "seconds": _load(paths.root / "seconds.json"),
        "prepared": cast("PreparedRow", _load(paths.prepared / "prepared.json")),
        "commands": {"resume": say_command("resume", paths.root)},
    }


def _load(path: Path) -> dict[str, Any]:
    """A JSON file that the run writes whole or not at all; empty where it has not come to that yet."""
    return {key: value for key, value in read_shaped(path, RECORD).items() if key != "seal"} if path.exists() else {}
