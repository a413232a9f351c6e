"""A run as a value for a notebook: short to print, with its table, its charts and its nets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kdsearch.records import RunPaths
from kdsearch.report.html import read_summary
from kdsearch.report.notebook import Charts, chart_run, say_result, show_result, shown_here
from kdsearch.rundir.ended import read_ended
from kdsearch.rundir.store import read_spec
from kdsearch.rundir.summary import Summary
from kdsearch.spec.study_spec import StudySpec, load_spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn


@dataclass(frozen=True, slots=True, repr=False)
class Result:
    """What came of a run; a notebook shows its nets and answers. ``summary``: all of it, as in summary.json."""

    summary: Summary
    run_dir: Path

    def __repr__(self) -> str:
        return say_result(self.summary)

    def _repr_html_(self) -> str:
        return show_result(self.summary)

    @property
    def report(self) -> Path:
        """The report's page."""
        return self.run_dir / "report.html"

    def plot(self) -> Charts:
        """The report's charts."""
        return chart_run(self.summary, read_ended(RunPaths(self.run_dir), self.summary))

    def load_student(
        self, student: str | None = None, *, pixels: bool = False, net: nn.Module | None = None
    ) -> nn.Module:
        """A student with its weights; as ``kdsearch.load_student``."""
        from kdsearch.study.loading import load_student

        return load_student(self.run_dir, student, pixels=pixels, net=net)


def launch(
    study: StudySpec | str | Path,
    sets: Sequence[str] = (),
    *,
    run_dir: str | Path | None = None,
    net: nn.Module | None = None,
    teacher: nn.Module | None = None,
) -> Result:
    """The result of a new run, whose progress is shown: in a notebook as one line.

    ``study``: a file, the name of a shipped study, or what ``load_spec`` gave; ``sets``: changes ``a.b=value``. The
    others as in ``run_study``.

    Raises:
        KdsearchError: the study cannot be planned, or its run failed; what was computed stays in the run directory.
    """
    spec = load_spec(study, sets) if isinstance(study, str | Path) else study
    with shown_here(spec.task.metric.on_validation) as watch:
        from kdsearch.study.run import run_study  # seconds of imports, which may warn

        return _wrap(run_study(spec, run_dir, watch, net=net, teacher=teacher))


def resume(run_dir: str | Path, *, net: nn.Module | None = None, teacher: nn.Module | None = None) -> Result:
    """The result of a run that goes on where it was stopped; its progress is shown as by ``launch``.

    Raises:
        KdsearchError: it is no run directory, another driver has it, or the run failed again.
    """
    with shown_here(read_spec(RunPaths(Path(run_dir))).task.metric.on_validation) as watch:
        from kdsearch.study.run import resume_study

        return _wrap(resume_study(run_dir, watch, net=net, teacher=teacher))


def open_result(run_dir: str | Path) -> Result:
    """The result of a run that was made before, or so far.

    Raises:
        StoreError: it is no run directory, or damaged.
    """
    return _wrap(read_summary(run_dir))


def _wrap(summary: Summary) -> Result:
    return Result(summary, Path(summary["run_dir"]))
