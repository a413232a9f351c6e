"""summary.json: what a run found, for people and programs; ``schema`` 1."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, cast

from kdsearch import __version__
from kdsearch.quoting import say_command
from kdsearch.records import Finalist, Outcome, Student, pareto_front
from kdsearch.rundir.summary import Summary
from kdsearch.study.score_ranks import describe_ranks

if TYPE_CHECKING:
    from pathlib import Path

    from kdsearch.rundir.summary import (
        AskedRow,
        CostsRow,
        FinalistRow,
        MetricRow,
        PreparedRow,
        ProxyRow,
        ReferenceRow,
        StudentRow,
        TaskRow,
        TeacherRow,
    )
    from kdsearch.spec.study_spec import StudySpec
    from kdsearch.study.planning import Study

_PACKAGES = ("torch", "torchvision", "timm", "optuna", "numpy")


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that a result depends on."""
    packages = {name: metadata.version(name) for name in _PACKAGES}
    return {"python": platform.python_version(), "kdsearch": __version__} | packages


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the driver knows about a run.

    ``prepared``: figures of the strategy's preparation; ``seconds`` by phase; ``stopped``: why the search ended early,
    empty if it did not; ``exhausted``: that it ran out of candidates, likewise; ``replayed``: outcomes that the ledger
    held when the driver started; ``finalists``: those trained to choose the winners;
    ``references``: rows of the nets that the study started from, as they are.
    """

    prepared: Mapping[str, Any]
    seconds: Mapping[str, float]
    stopped: str = ""
    exhausted: str = ""
    replayed: int = 0
    finalists: Sequence[Finalist] = ()
    references: Sequence[ReferenceRow] = ()


def summarise(study: Study, outcomes: Sequence[Outcome], students: Sequence[Student], facts: RunFacts) -> Summary:
    """The summary of a finished run; its state is done, or stopped if the search ended early."""
    ctx, spec = study.ctx, study.spec
    failed = sum(outcome.state == "failed" for outcome in outcomes)
    rows = [student_row(study, student) for student in students]
    return {
        "schema": 1,
        "name": spec.name,
        "state": "stopped" if facts.stopped else "done",
        "stopped": facts.stopped,
        "exhausted": facts.exhausted,
        "run_dir": str(ctx.paths.root),
        "seed": spec.seed,
        "versions": versions(),
        "seconds": dict(facts.seconds),
        "trials": {"done": len(outcomes) - failed, "failed": failed, "cached": facts.replayed},
        "front": [outcome.number for outcome in pareto_front(outcomes)],
        "ranked_by": None if study.score_metric is None else cast("MetricRow", study.score_metric.describe()),
        "net": spec.student.label,
        "task": _task_row(study),
        "budgets": [{window.cost: (window.low, window.high) for window in windows} for windows in ctx.budgets],
        "full": _first(rows, "full") or {"costs": dict(ctx.widths.costs(ctx.widths.full))},
        "uniform": _first(rows, "uniform") or {"costs": dict(ctx.widths.costs(ctx.uniform[0]))},
        "teacher": _teacher(study, facts.prepared),
        "references": list(facts.references),
        "students": rows,
        "finalists": [_finalist_row(finalist) for finalist in facts.finalists],
        "proxy": _proxy(study, outcomes, students, facts),
        "prepared": cast("PreparedRow", dict(facts.prepared)),
        "layers": [{"name": name, "full": full} for name, full, _ in ctx.widths.layer_widths(ctx.widths.full)],
        "frozen": list(ctx.widths.frozen),
        "commands": describe_commands(spec, ctx.paths.root),
    }


def describe_commands(spec: StudySpec, root: Path) -> dict[str, str]:
    """What to type, or to write in Python where the net came from there."""
    dashboard = say_command("dashboard", root)
    if spec.modules:
        passed = ", ".join(f"{name}=..." for name in spec.modules)
        study = f"kdsearch.load_spec({str(root / 'spec.yaml')!r})"
        return {
            "resume": f"kdsearch.resume_study({str(root)!r}, {passed})",
            "reproduce": f"kdsearch.run_study({study}, {passed})",
            "dashboard": dashboard,
        }
    return {
        "resume": say_command("resume", root),
        "reproduce": say_command("launch", root / "spec.yaml"),
        "export": say_command("export", root, "--to", "DIR"),
        "dashboard": dashboard,
    }


def _teacher(study: Study, prepared: Mapping[str, Any]) -> TeacherRow | None:
    """The study's teacher, and how the search and the trainings at the end asked it."""
    teaching = study.ctx.teaching
    if teaching is None:
        return None
    asked = {"strategy": prepared.get("teacher"), "finish": prepared.get("finish")}
    return {
        "name": teaching.teacher.name,
        "sha256": teaching.teacher.sha256,
        "views": teaching.views,
        "asked": {key: cast("AskedRow", made) for key, made in asked.items() if made},
    }


def student_row(study: Study, student: Student) -> StudentRow:
    """One entry of ``students``: the record, with the widths of every layer."""
    row = asdict(student)
    row["candidate"], row["widths"] = student.candidate.values, student.candidate.widths
    row["layer_widths"] = [list(layer) for layer in study.ctx.widths.layer_widths(student.candidate)]
    row["budget"] = student.lineage.get("budget")
    return cast("StudentRow", row)


def _finalist_row(finalist: Finalist) -> FinalistRow:
    row = {
        "budget": finalist.budget,
        "round": finalist.round,
        "epochs": finalist.epochs,
        "candidate": finalist.candidate.values,
        "origin": finalist.candidate.origin,
        finalist.metric.validation: finalist.figure,
        "score": finalist.score,
    }
    return cast("FinalistRow", row)


def _proxy(study: Study, outcomes: Sequence[Outcome], students: Sequence[Student], facts: RunFacts) -> ProxyRow:
    judged = study.strategy.judge_scores(facts.prepared, _trained_uniform(study, students), study.ctx.task.metric)
    return cast("ProxyRow", {**judged, **describe_ranks(outcomes, facts.finalists)})


def _trained_uniform(study: Study, students: Sequence[Student]) -> list[float | None]:
    """What each budget's uniform net reached on the validation images, if it was trained."""
    reached = {
        student.lineage.get("budget"): student.metrics[study.task.metric.validation]
        for student in students
        if student.role == "uniform"
    }
    return [reached.get(budget) for budget in range(len(study.ctx.budgets))]


def _task_row(study: Study) -> TaskRow:
    task = study.ctx.task
    return {
        "name": study.spec.task.name,
        "metric": cast("MetricRow", study.task.metric.describe()),
        "data": task.name,
        "digest": task.digest,
        "classes": list(task.classes),
        "input": {"shape": task.image_shape, "mean": list(task.mean), "std": list(task.std)},
        "notes": list(task.notes),
    }


def _first(rows: Sequence[StudentRow], role: str) -> CostsRow | None:
    return next((row for row in rows if row["role"] == role), None)
