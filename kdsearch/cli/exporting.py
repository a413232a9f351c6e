"""export: a run's student as files of a runtime, in a folder of the user's choice."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdsearch import registry
from kdsearch.cli.finding import find_run
from kdsearch.cli.output import remark, say, say_json
from kdsearch.cli.overwriting import refuse_others, replacing
from kdsearch.errors import SpecError
from kdsearch.quoting import say_command
from kdsearch.report.words import say_cost
from kdsearch.spec.errors import unknown
from kdsearch.spec.metric import Metric

if TYPE_CHECKING:
    from kdsearch.exporters.base import Exporter
    from kdsearch.records import Student


def export(given: argparse.Namespace) -> int:
    """Writes the files anew from the trained weights, each proved in a fresh process like those of the run."""
    from kdsearch.report.html import read_summary
    from kdsearch.study.delivery import WEIGHTS

    known = registry.available("kdsearch.exporters")
    if given.format not in known:
        raise SpecError(f"--format {given.format}: {unknown('format', given.format, known)}")
    run_dir = find_run(given.run)
    summary = read_summary(run_dir)
    rows = summary.get("students", ())
    row = choose_student(rows, given.student, run_dir)
    others = [str(each["id"]) for each in rows if each["role"] == "winner" and each["id"] != row["id"]]
    if others and given.student is None:
        remark(f"this run has {len(others) + 1} winners; {row['id']} is exported, --student {others[0]} names another")
    if not given.force:
        refuse_others(given.to, row, [*_list_names(given.format), WEIGHTS])
    student = write_files(run_dir, row, given.format, given.to)
    if given.json:
        say_json({"student": student.id, "files": student.files, "parity": student.parity})
        return 0
    metric = Metric.of((summary.get("task") or {}).get("metric"))
    reached = f"{metric.told} {metric.say(student.metrics[metric.name])}"
    say(f"{'student':<18} {student.id}, {say_cost('macs', student.costs['macs'])} MACs, {reached}")
    for name, path in student.files.items():
        gap = f" (differs from the net by {student.parity[name]:.1e})" if name in student.parity else ""
        say(f"{name:<18} {path}{gap}")
    return 0


def _list_names(form: str) -> list[str]:
    """The names of the files that a format consists of."""
    kind: type[Exporter] = registry.find("kdsearch.exporters", form)
    return [each.file_name for each in kind(kind.Options()).formats()]


def choose_student(students: Sequence[Mapping[str, Any]], wanted: str | None, run_dir: Path) -> Mapping[str, Any]:
    """The student with that id, or the first winner.

    Raises:
        SpecError: there is none yet, or no such one; the message lists them.
    """
    ids = [str(row["id"]) for row in students]
    if not ids:
        raise SpecError(f"{run_dir}: no student has been trained yet; {say_command('resume', run_dir)}")
    name = wanted or next((str(row["id"]) for row in students if row["role"] == "winner"), ids[0])
    if name not in ids:
        raise SpecError(f"--student {name}: {unknown('student', name, ids)}")
    return students[ids.index(name)]


def write_files(run_dir: Path, row: Mapping[str, Any], form: str, folder: Path) -> Student:
    """The student with its files in ``folder``."""
    from kdsearch.candidates.space import Candidate
    from kdsearch.data.stored_bank import read_bank
    from kdsearch.records import RunPaths, Student
    from kdsearch.rundir.identity import check_identity
    from kdsearch.rundir.store import read_spec
    from kdsearch.spec.plugins import ExporterPlugin
    from kdsearch.study.delivery import best_net, export_to
    from kdsearch.study.identifying import identify
    from kdsearch.study.planning import plan
    from kdsearch.study.synthesising import fill_task

    spec = read_spec(RunPaths(run_dir))
    if spec.modules:
        passed = ", ".join(f"{name}=..." for name in spec.modules)
        raise SpecError(
            f"{run_dir}: this run's {spec.modules[0]} was passed from Python; what the study exports is under "
            f"students/, for more use kdsearch.resume_study(run_dir, {passed})"
        )
    as_in_study = [plugin for plugin in spec.export if plugin.name == form]
    spec = spec.model_copy(update={"export": tuple(as_in_study or [ExporterPlugin.of(form)])})
    student = Student(
        id=str(row["id"]),
        role=row["role"],
        candidate=Candidate.of(row["candidate"]),
        metrics=row["metrics"],
        spread=row["spread"],
        costs=row["costs"],
        lineage=row["lineage"],
    )
    study = plan(spec, RunPaths(run_dir))
    check_identity(RunPaths(run_dir), identify(study))
    if spec.task.generates:
        study = fill_task(study, read_bank(run_dir))
    net = best_net(study, student)
    with replacing(folder.absolute(), row) as place:
        made = export_to(study, student, net, place)
    return replace(made, files={name: str(folder.absolute() / Path(path).name) for name, path in made.files.items()})
