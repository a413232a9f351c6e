"""A study from its file to its students: plan, prepare, search, finish, export, report; every step can be resumed."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdsearch.costs import HEADLINE
from kdsearch.errors import KdsearchError, SpecError, StoreError
from kdsearch.exporters.base_manifest import read_manifest
from kdsearch.files import (
    cache_dir,
    check_hashes,
    has_hashes,
    read_sealed,
    save_sealed,
)
from kdsearch.progress import Phase, Progress, Watch, unwatched
from kdsearch.records import SCORE, Finalist, RunPaths, Student, Training
from kdsearch.report.html import write_html
from kdsearch.rundir.ended import read_ended
from kdsearch.rundir.identity import check_identity
from kdsearch.rundir.ledger import Ledger
from kdsearch.rundir.runlog import recording
from kdsearch.rundir.store import (
    RunLock,
    create_run,
    open_run,
    read_spec,
    read_summary,
    warn_of_changed_yaml,
    write_summary,
)
from kdsearch.rundir.summary import Summary
from kdsearch.spec.study_spec import StudySpec
from kdsearch.study.data_roots import check_place
from kdsearch.study.delivery import deliver
from kdsearch.study.final_trainings import noted, train_all
from kdsearch.study.identifying import identify
from kdsearch.study.keeping import delete_spent
from kdsearch.study.minutes import check_minutes
from kdsearch.study.preparing import prepare, running_executor
from kdsearch.study.searching import End, search
from kdsearch.study.summary import RunFacts, summarise
from kdsearch.study.synthesising import generate_images
from kdsearch.study.trained import check_trained
from kdsearch.study.trial import use

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from kdsearch.executors.base import Executor
    from kdsearch.study.planning import Study

log = logging.getLogger(__name__)


def run_study(
    spec: StudySpec,
    run_dir: str | Path | None = None,
    watch: Watch = unwatched,
    *,
    net: nn.Module | None = None,
    teacher: nn.Module | None = None,
) -> Summary:
    """The summary of a new run, in ``run_dir`` or in runs/NAME below the current directory.

    ``net`` is a student of your own, for a study that says ``student: {net: given}``; workers in other processes cannot
    be handed one, so such a study runs on the serial executor. ``trained: true`` beside it says that the net is trained
    already. ``teacher`` is likewise the teacher of a study that says ``teacher: {net: given}``.

    Raises:
        KdsearchError: the study cannot be planned, or its run failed; what was computed stays in the run directory.
    """
    from kdsearch.models.given import hash_given
    from kdsearch.study.planning import plan
    from kdsearch.study.references import check_references

    # a study that cannot be planned leaves no run directory behind
    scratch = plan(spec, RunPaths(Path("unused")), net=net, teacher=teacher)
    check_references(scratch)
    check_place(spec, scratch.ctx.data_roots, Path("runs") if run_dir is None else Path(run_dir))
    check_minutes(scratch, watch)
    given = {"given": "" if net is None else hash_given(net)}
    paths = create_run(spec, None if run_dir is None else Path(run_dir), facts=identify(scratch) | given)
    with _naming(paths):
        watch(Progress("plan", 0, 0, f"run directory {paths.root}, cache {cache_dir()}"))
        return _drive(_moved(scratch, paths), watch)


def resume_study(
    run_dir: str | Path,
    watch: Watch = unwatched,
    *,
    net: nn.Module | None = None,
    teacher: nn.Module | None = None,
) -> Summary:
    """The summary of a run that goes on where it was stopped; nothing is done to one that has ended by itself.

    ``net`` and ``teacher`` as in ``run_study``, with the weights that they had when the run was launched.

    Raises:
        KdsearchError: it is no run directory, another driver has it, ``net`` is another one, or the run failed again.
    """
    from kdsearch.models.given import hash_given
    from kdsearch.study.planning import plan

    paths = open_run(Path(run_dir))
    spec = read_spec(paths)
    warn_of_changed_yaml(paths)
    if (summary := _ended(paths)) is not None:
        log.warning("%s: is %s already; there is nothing left to do", run_dir, summary["state"])
        return summary
    for name, module in (("net", net), ("teacher", teacher)):
        if name in spec.modules and module is None:
            passed = ", ".join(f"{each}=..." for each in spec.modules)
            raise SpecError(
                f"{run_dir}: this run's {name} was passed from Python; use kdsearch.resume_study(run_dir, {passed})"
            )
    if "net" in spec.modules:
        check_identity(paths, {"given": hash_given(net)})
    with _naming(paths):
        study = plan(spec, paths, net=net, teacher=teacher)
        check_identity(paths, identify(study))
        return _drive(study, watch)


@contextmanager
def _naming(paths: RunPaths) -> Iterator[None]:
    """Puts the run directory, as seen from the current one, on a KeyboardInterrupt that passes."""
    try:
        yield
    except KeyboardInterrupt as stop:
        here = Path.cwd()
        stop.args = (paths.root.relative_to(here) if paths.root.is_relative_to(here) else paths.root,)
        raise


def _ended(paths: RunPaths) -> Summary | None:
    """The summary of a run that has everything, its report included; None of one that has not."""
    if not (paths.root / "summary.json").exists():
        return None
    try:
        summary = read_summary(paths)
        check_run(paths, summary)
    except KdsearchError as error:
        log.warning("%s; it is written again", str(error).rpartition("; ")[0] or error)
        return None
    if not (paths.root / "report.html").exists():
        write_html(paths.root)
    delete_spent(paths, summary, read_spec(paths).keep)  # of a run that was killed before it came to that
    return summary


def check_run(paths: RunPaths, summary: Mapping[str, Any]) -> None:
    """Compares what an ended run holds with the hashes that were noted as it was written.

    Raises:
        KdsearchError: something is damaged, or a student's file is missing.
    """
    if has_hashes(paths.prepared):
        check_hashes(paths.prepared)
    read_ended(paths, summary)
    check_trained(paths)
    for row in summary["students"]:
        if row["files"]:
            read_manifest(paths.students / row["id"])


def _moved(study: Study, paths: RunPaths) -> Study:
    from dataclasses import replace

    return replace(study, ctx=replace(study.ctx, paths=paths))


@dataclass(slots=True)
class _Run:
    """A run under way: its parts, and how long each phase took, earlier starts included."""

    study: Study
    watch: Watch
    ledger: Ledger
    seconds: dict[str, float] = field(default_factory=dict)
    end: End = field(default_factory=End)
    replayed: int = 0

    @contextmanager
    def phase(self, name: Phase) -> Iterator[None]:
        started = time.monotonic()
        self.watch(Progress(name, 0, 0))
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - started
            path = self.study.ctx.paths.root / "seconds.json"
            save_sealed(path, self.seconds)


def _drive(study: Study, watch: Watch) -> Summary:
    from kdsearch.study.references import measure_references

    paths, spec = study.ctx.paths, study.spec
    with RunLock(paths), recording(paths):
        metric = study.ctx.task.metric
        ranked_by = metric.name if study.score_metric is None else SCORE
        objectives = (ranked_by, HEADLINE) if len(study.ctx.budgets) > 1 else (ranked_by,)
        parameters = study.ctx.space.parameters
        ledger = Ledger(paths, spec.storage, spec.name, parameters, objectives=objectives, metric=metric)
        timed = paths.root / "seconds.json"
        run = _Run(study, watch, ledger, _read_seconds(timed))
        with run.phase("prepare"):
            study = run.study = generate_images(study, watch)
            use(study)
            prepared = prepare(study, watch)
        with running_executor(study) as executor:
            with run.phase("search"):
                _search(run, executor)
            with run.phase("finish"):
                students, finalists = _finish(run, executor)
                references = measure_references(study)
        with run.phase("export"):
            students, references = deliver(study, students, references, watch)
        facts = RunFacts(prepared, run.seconds, run.end.stopped, run.end.exhausted, run.replayed, finalists, references)
        summary = summarise(study, ledger.outcomes(), students, facts)
        write_summary(paths, summary)
        write_html(paths.root)
    delete_spent(paths, summary, spec.keep)
    return summary


def _read_seconds(path: Path) -> dict[str, float]:
    """Seconds by phase of earlier starts; none, with a warning, where they are damaged."""
    try:
        return read_sealed(path) if path.exists() else {}
    except StoreError as damage:
        log.warning("%s; the seconds of earlier starts are lost", damage)
        return {}


def _search(run: _Run, executor: Executor) -> None:
    told = run.ledger.outcomes()
    run.replayed = len(told)
    # a driver that was killed had no chance to write down its seconds
    run.seconds["search"] = max(run.seconds.get("search", 0.0), sum(each.seconds for each in told) / executor.capacity)
    run.end = search(run.study, run.ledger, executor, run.watch, seconds_before=run.seconds["search"])


def _finish(run: _Run, executor: Executor) -> tuple[list[Student], list[Finalist]]:
    from kdsearch.study.finalists import choose_winners
    from kdsearch.study.finishing import collect, list_entrants

    study = run.study

    def train(trainings: Sequence[Training], note: str) -> None:
        train_all(study, trainings, executor, noted(run.watch, note))

    winners, finalists = choose_winners(study, run.ledger.outcomes(), train)
    entrants = list_entrants(study, winners)
    train([training for entrant in entrants for training in entrant.trainings()], "students")
    return collect(study, entrants), finalists
