"""Measured latency of a finished study's nets: students and the nets that it started from, all in one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kdsearch.costs import LATENCY
from kdsearch.records import Student
from kdsearch.study.references import Reference, find_references

if TYPE_CHECKING:
    from torch import nn

    from kdsearch.cost.deployed import Deployed
    from kdsearch.rundir.summary import ReferenceRow
    from kdsearch.study.planning import Study

LATENCY_RUNS = 50


@dataclass(frozen=True, slots=True)
class Timings:
    """By the id of each net what ``compare_latency`` found, or why a reference could not be measured."""

    measured: Mapping[str, Mapping[str, Any]]
    unmeasured: Mapping[str, str]


def time_nets(study: Study, students: Sequence[Student], nets: Mapping[str, nn.Module]) -> Timings:
    """The latency of all students but the random ones, and of the nets that the study started from.

    Frozen, batch 1, one thread: the median of the thread's processor time, which other work on the machine leaves alone
    where elapsed time may be ten times as long. Each net is as it is delivered, with the normalisation that it reads.
    """
    from kdsearch.cost.deployed import Deployed
    from kdsearch.cost.latency import compare_latency

    task, unmeasured = study.task, dict[str, str]()
    compared = {
        student.id: Deployed(nets[student.id], task.mean, task.std) for student in students if student.role != "random"
    }
    for reference in find_references(study):
        deployed = _deploy(reference)
        if isinstance(deployed, str):
            unmeasured[reference.role] = deployed
        else:
            compared[reference.role] = deployed
    measured = compare_latency(compared, task.image_shape, runs=LATENCY_RUNS) if compared else {}
    return Timings(measured, unmeasured)


def _deploy(reference: Reference) -> Deployed | str:
    """The net as a phone would run it, or why it cannot be: nobody promised that it can be exported."""
    import torch

    from kdsearch.cost.deployed import Deployed, freeze_trace
    from kdsearch.errors import first_line
    from kdsearch.tracing.tracer import FOREIGN_ERRORS

    task = reference.task
    net = reference.net if reference.file is None else reference.file.frozen
    if net is None:
        return "its runtime is not torch"
    try:
        deployed = Deployed(net, task.mean, task.std)
        freeze_trace(deployed, torch.zeros(1, *task.image_shape))
    except FOREIGN_ERRORS as error:
        return f"it cannot be traced: {first_line(error)}"
    return deployed


def with_latency(
    study: Study, students: Sequence[Student], nets: Mapping[str, nn.Module], timings: Timings
) -> list[Student]:
    """The students with ``latency_ms``.

    ``costs`` are of the net as it was searched and trained, and what fusing makes of them stands in the lineage.
    """
    from kdsearch.cost.fusing import delivered_costs

    timed = []
    for student in students:
        about = timings.measured.get(student.id)
        if about is None:
            timed.append(student)
            continue
        costs = dict(student.costs) | {LATENCY: about["frozen"]["thread_ms"]}
        lineage = dict(student.lineage) | {"latency": dict(about)}
        if delivered := delivered_costs(nets[student.id], study.task.image_shape):
            lineage["delivered"] = delivered
        timed.append(replace(student, costs=costs, lineage=lineage))
    return timed


def time_references(rows: Sequence[ReferenceRow], timings: Timings) -> list[ReferenceRow]:
    """The rows with ``latency_ms`` among their costs, or why it was not measured."""
    timed: list[ReferenceRow] = []
    for row in rows:
        about = timings.measured.get(row["id"])
        if about is None:
            timed.append({**row, "unmeasured": {**row.get("unmeasured", {}), LATENCY: timings.unmeasured[row["id"]]}})
        else:
            timed.append({**row, "costs": row["costs"] | {LATENCY: about["frozen"]["thread_ms"]}})
    return timed
