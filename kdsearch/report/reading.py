"""A run for its report, read from summary.json and the ledger; no torch here.

Here alone the summary's keys are spelled. A run that has not ended has a summary that is mostly empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from kdsearch.candidates.space import Candidate
from kdsearch.measures.ranks import RankAgreement
from kdsearch.records import Finalist, Outcome
from kdsearch.report.run import ClassFigures, Judgement, Layer, Net, Run, TeacherFacts
from kdsearch.rundir.details import list_shares
from kdsearch.rundir.summary import ENDED
from kdsearch.spec.metric import Metric

if TYPE_CHECKING:
    from kdsearch.rundir.details import DetailsRow
    from kdsearch.rundir.summary import (
        FinalistRow,
        ProxyRow,
        ReferenceRow,
        StudentRow,
        Summary,
        TeacherRow,
    )


def read_run(summary: Summary, outcomes: Sequence[Outcome]) -> Run:
    """The run that a summary of schema 1 and the ledger's outcomes describe."""
    task, metric = summary["task"], Metric.of(summary["task"]["metric"])
    failed = sum(outcome.state == "failed" for outcome in outcomes)
    counts = summary["trials"] if summary["state"] in ENDED else {"done": len(outcomes) - failed, "failed": failed}
    return Run(
        name=summary["name"],
        state=summary["state"],
        stopped=summary["stopped"],
        exhausted=summary["exhausted"],
        run_dir=summary["run_dir"],
        seed=summary["seed"],
        net=summary["net"],
        data=task["data"],
        digest=task["digest"],
        notes=tuple(task["notes"]),
        metric=metric,
        score=None if summary["ranked_by"] is None else Metric.of(summary["ranked_by"]),
        outcomes=tuple(outcomes),
        trials=counts["done"] + counts["failed"],
        failed=counts["failed"],
        nets=tuple(_read_student(row, metric, task["classes"]) for row in summary["students"]),
        references=tuple(_read_reference(row, metric) for row in summary["references"]),
        budgets=tuple(summary["budgets"]),
        full_costs=summary["full"]["costs"],
        finalists=tuple(_read_finalist(row, metric) for row in summary["finalists"]),
        judgement=_read_judgement(summary["proxy"]),
        teacher=_read_teacher(summary["teacher"]),
        prepared_history=tuple(summary["prepared"].get("history", ())),
        versions=summary["versions"],
        seconds=summary["seconds"],
        commands=summary["commands"],
    )


def _read_student(row: StudentRow, metric: Metric, classes: Sequence[str]) -> Net:
    lineage = row["lineage"]
    return Net(
        id=row["id"],
        role=row["role"],
        budget=row["budget"],
        figure=row["metrics"][metric.name],
        costs=row["costs"],
        spread=row["spread"].get(metric.name),
        seeds=max(1, len(lineage["seeds"])),
        widths=row["widths"],
        candidate=row["candidate"],
        files=row["files"],
        parity=row["parity"],
        history=tuple(row["history"]),
        origin=lineage["origin"],
        layers=tuple(Layer(name, full, kept) for name, full, kept in row["layer_widths"]),
        classes=_read_classes(row["details"], classes),
        delivered=lineage.get("delivered", {}),
    )


def _read_reference(row: ReferenceRow, metric: Metric) -> Net:
    figure, unmeasured = row["metrics"][metric.name], row.get("unmeasured", {})
    return Net(row["id"], row["role"], None, figure, row["costs"], origin=row["name"], unmeasured=unmeasured)


def _read_classes(details: DetailsRow, names: Sequence[str]) -> tuple[ClassFigures, ...]:
    found = details.get("per_class")
    if not found:
        return ()
    confusion = details.get("confusion")
    answers = [tuple(row) for row in confusion] if confusion else [()] * len(names)
    rows = zip(names, found["images"], list_shares(found), answers, strict=True)
    return tuple(ClassFigures(name, images, share, given) for name, images, share, given in rows)


def _read_finalist(row: FinalistRow, metric: Metric) -> Finalist:
    candidate, figures = Candidate.of(row["candidate"], row["origin"]), cast("Mapping[str, Any]", row)
    figure = float(figures[metric.validation])  # the task names it
    return Finalist(row["budget"], row["round"], row["epochs"], candidate, figure, row["score"], metric.on_validation)


def _read_judgement(row: ProxyRow) -> Judgement:
    rank = row.get("rank")
    return Judgement(
        verdict=row["verdict"],
        advice=tuple(row["advice"]),
        grounds=tuple(row.get("grounds", ())),
        ratio=row.get("ratio"),
        spread=row.get("spread"),
        stderr=row.get("stderr"),
        rank=RankAgreement(**rank) if rank else None,
        rank_unknown=row.get("rank_unknown", ""),
    )


def _read_teacher(row: TeacherRow | None) -> TeacherFacts | None:
    if row is None:
        return None
    asked = (f"{made['mode']} ({made['reason']})" for made in row["asked"].values())
    return TeacherFacts(row["name"], tuple(dict.fromkeys(asked)))
