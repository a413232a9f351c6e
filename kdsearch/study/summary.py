"""summary.json: what a run found, for people and programs; ``schema`` 1."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

from kdsearch import __version__
from kdsearch.records import Finalist, Outcome, Student, pareto_front
from kdsearch.spec.sections import GIVEN

if TYPE_CHECKING:
    from pathlib import Path

    from kdsearch.spec.study_spec import StudySpec
    from kdsearch.study.planning import Study

_PACKAGES = ("torch", "torchvision", "timm", "optuna", "numpy")
_BELIEVABLE = 0.7
_PLAUSIBLE = 1.1  # a ratio above it says that the net was hardly trained


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that a result depends on."""
    packages = {name: metadata.version(name) for name in _PACKAGES}
    return {"python": platform.python_version(), "kdsearch": __version__} | packages


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the driver knows about a run.

    ``prepared``: figures of the strategy's preparation; ``seconds`` by phase; ``stopped``: why the search ended early,
    empty if it did not; ``exhausted``: that it ran out of candidates, likewise; ``replayed``: outcomes that the ledger
    held when the driver started; ``finalists``: those trained to choose the winners.
    """

    prepared: Mapping[str, Any]
    seconds: Mapping[str, float]
    stopped: str = ""
    exhausted: str = ""
    replayed: int = 0
    finalists: Sequence[Finalist] = ()


def summarise(
    study: Study, outcomes: Sequence[Outcome], students: Sequence[Student], facts: RunFacts
) -> dict[str, Any]:
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
        "net": spec.student.label,
        "task": {
            "name": spec.task.name,
            "data": ctx.task.name,
            "digest": ctx.task.digest,
            "classes": list(ctx.task.classes),
        },
        "budgets": [{window.cost: [window.low, window.high] for window in windows} for windows in ctx.budgets],
        "full": _first(rows, "full") or {"costs": ctx.widths.costs(ctx.widths.full)},
        "uniform": _first(rows, "uniform") or {"costs": ctx.widths.costs(ctx.uniform[0])},
        "teacher": _teacher(study, facts.prepared),
        "students": rows,
        "finalists": [_finalist_row(finalist) for finalist in facts.finalists],
        "proxy": judge_proxy(facts.prepared.get("check"), students),
        "prepared": dict(facts.prepared),
        "layers": [{"name": name, "full": full} for name, full, _ in ctx.widths.layer_widths(ctx.widths.full)],
        "frozen": [list(pair) for pair in ctx.widths.frozen],
        "commands": _commands(spec, ctx.paths.root),
    }


def _commands(spec: StudySpec, root: Path) -> dict[str, str]:
    """What to type, or to write in Python where the net came from there."""
    dashboard = f"kdsearch dashboard {root}"
    if spec.student.net == GIVEN:
        study = f"kdsearch.load_spec({str(root / 'spec.yaml')!r})"
        return {
            "resume": f"kdsearch.resume_study({str(root)!r}, net=...)",
            "reproduce": f"kdsearch.run_study({study}, net=...)",
            "dashboard": dashboard,
        }
    return {
        "resume": f"kdsearch resume {root}",
        "reproduce": f"kdsearch launch {root / 'spec.yaml'}",
        "export": f"kdsearch export {root} --to DIR",
        "dashboard": dashboard,
    }


def _teacher(study: Study, prepared: Mapping[str, Any]) -> dict[str, Any] | None:
    """The study's teacher, and how the search and the trainings at the end asked it."""
    teaching = study.ctx.teaching
    if teaching is None:
        return None
    asked = {"strategy": prepared.get("teacher"), "finish": prepared.get("finish")}
    return {
        "name": teaching.teacher.name,
        "sha256": teaching.teacher.sha256,
        "views": teaching.views,
        "asked": {key: made for key, made in asked.items() if made},
    }


def student_row(study: Study, student: Student) -> dict[str, Any]:
    """One entry of ``students``: the record, with the widths of every layer."""
    row = asdict(student)
    row["candidate"], row["widths"] = student.candidate.values, student.candidate.widths
    row["layer_widths"] = [list(layer) for layer in study.ctx.widths.layer_widths(student.candidate)]
    row["budget"] = student.lineage.get("budget")
    return row


def _finalist_row(finalist: Finalist) -> dict[str, Any]:
    return {
        "budget": finalist.budget,
        "round": finalist.round,
        "epochs": finalist.epochs,
        "candidate": finalist.candidate.values,
        "origin": finalist.candidate.origin,
        "validation_accuracy": finalist.accuracy,
        "score": finalist.score,
    }


def judge_proxy(check: Mapping[str, Any] | None, students: Sequence[Student]) -> dict[str, Any]:
    """Whether scores under generated weights can be believed, and what to raise if not.

    ``ratio``: the uniform gene's validation accuracy under generated weights over that of the same net after its own
    training at the end; where that goes on from the generated weights it ends higher, so the ratio is on the low side.
    ``spread``: standard deviation of the scores of random genes at the budget (null of fewer than two); ``stderr``: of
    one score; both of what candidates are ``ranked_by``: accuracy (0..1), or likelihood (nats an image).

    Weak below a ratio of 0.7, or with a spread inside the error; else trusted where both were measured, unless the
    ratio is above 1.1: then it is the training at the end that cannot be believed.
    """
    if not check or not check["budgets"]:
        return {"verdict": "unknown", "advice": ["this strategy trains every candidate, so there is no proxy to judge"]}
    rows = [_judge_budget(row, _trained_uniform(students, at)) for at, row in enumerate(check["budgets"])]
    weak = any(row["advice"] for row in rows)
    if any(row["ratio"] is not None and row["ratio"] > _PLAUSIBLE for row in rows):
        return {
            "verdict": "unknown",
            "advice": [
                "the uniform net does better under generated weights than after its own training, which was too short "
                "to say anything: raise finish.epochs"
            ],
            "budgets": rows,
        }
    if not weak and any(row["ratio"] is None or row["spread"] is None for row in rows):
        return {
            "verdict": "unknown",
            "advice": ["not everything was measured: set strategy.check_genes (2 or more), finish.controls.uniform"],
        }
    advice = sorted({line for row in rows for line in row["advice"]})
    worst = min(rows, key=lambda row: row["ratio"] if row["ratio"] is not None else 1.0)
    return {
        "verdict": "weak" if weak else "trusted",
        "ratio": worst["ratio"],
        "spread": min((row["spread"] for row in rows if row["spread"] is not None), default=None),
        "stderr": max(row["stderr"] for row in rows),
        "ranked_by": check["budgets"][0].get("ranked_by", "accuracy"),
        "advice": advice,
        "budgets": rows,
    }


def _judge_budget(row: Mapping[str, Any], trained: float | None) -> dict[str, Any]:
    scores = row["random_scores"]
    spread = statistics.stdev(scores) if len(scores) > 1 else None
    ratio = row.get("uniform_accuracy", row["uniform_score"]) / trained if trained else None
    advice = []
    if ratio is not None and ratio < _BELIEVABLE:
        advice.append(
            f"generated weights reach {ratio:.2f} of the accuracy that the net reaches after its own training (0.70 is "
            "asked for): raise strategy.epochs, or start from a trained net (strategy.init: pretrained)"
        )
    if spread == 0:
        advice.append(
            "random candidates are one and the same: hardly any fits the limits; widen limits.window, or lower "
            "student.divisor"
        )
    elif spread is not None and spread <= row["stderr"]:
        advice.append(
            f"random candidates differ by {spread:.4f}, no more than the error of one score ({row['stderr']:.4f}): "
            "use more validation images (task.validation_share), or train the PruningNet longer (strategy.epochs)"
        )
    return {"ratio": ratio, "spread": spread, "stderr": row["stderr"], "advice": advice}


def _trained_uniform(students: Sequence[Student], budget: int) -> float | None:
    for student in students:
        if student.role == "uniform" and student.lineage.get("budget") == budget:
            return student.metrics["validation_accuracy"]
    return None


def _first(rows: Sequence[dict[str, Any]], role: str) -> dict[str, Any] | None:
    return next((row for row in rows if row["role"] == role), None)
