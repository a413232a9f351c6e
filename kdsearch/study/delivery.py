"""What a finished study leaves behind: exported students, measured latency, the summary and the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kdsearch import registry
from kdsearch.costs import FILE_SIZE, LATENCY
from kdsearch.exporters.base_manifest import Manifest, forget_damaged, list_weights
from kdsearch.progress import Progress, Watch
from kdsearch.records import Student
from kdsearch.study.compressing import final_net
from kdsearch.study.file_size import check_files
from kdsearch.study.finishing import exported_training
from kdsearch.study.summary import versions
from kdsearch.study.timing import time_nets, time_references, with_latency
from kdsearch.study.trained import trained_net
from kdsearch.weights import save_weights

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

    from kdsearch.exporters.base import Exporter
    from kdsearch.rundir.summary import ReferenceRow
    from kdsearch.study.planning import Study

PARITY_IMAGES = 64
WEIGHTS = "weights.safetensors"


def deliver(
    study: Study, students: Sequence[Student], references: Sequence[ReferenceRow], watch: Watch
) -> tuple[list[Student], list[ReferenceRow]]:
    """The students and the nets that the study started from with their latency, the winners with exported files.

    Raises:
        ExportError: a file does not compute what its net computes and has been removed, or is larger than the limit.
    """
    nets = {student.id: best_net(study, student) for student in students}
    watch(Progress("export", 0, len(students), "latency"))
    timings = time_nets(study, students, nets)
    timed = with_latency(study, students, nets, timings)
    delivered = []
    for at, student in enumerate(timed):
        if student.role == "winner":
            watch(Progress("export", at, len(timed), student.id))
            folder = study.ctx.paths.students / student.id
            forget_damaged(folder)
            student = _weighed(study, export_to(study, student, nets[student.id], folder))
        delivered.append(student)
    return delivered, time_references(references, timings)


def _weighed(study: Study, student: Student) -> Student:
    """The student whose ``size_bytes`` are those of its largest exported file, once that is within the limit."""
    files = [study.ctx.paths.root / path for name, path in student.files.items() if name in student.parity]
    budget = student.lineage["budget"]
    size = check_files(files, study.ctx.budgets[budget] if budget is not None else ())
    return student if size is None else replace(student, costs=dict(student.costs) | {FILE_SIZE: size})


def best_net(study: Study, student: Student) -> nn.Module:
    """The trained net of the seed that did best on the validation part."""
    return final_net(study, student.candidate, exported_training(student)).cpu()


def export_to(study: Study, student: Student, net: nn.Module, folder: Path) -> Student:
    """The student with its exported files, proved on test images, its weights and its manifest in ``folder``."""
    from kdsearch.exporters.base import export_student

    manifest = _describe(study, student)
    files: dict[str, str] = {}
    parity: dict[str, float] = {}
    for plugin in study.spec.export:
        exporter: Exporter = registry.find("kdsearch.exporters", plugin.name)(plugin.options)
        made = export_student(net, _pixels(study), exporter=exporter, folder=folder, manifest=manifest)
        files |= {name: _relative(path, study.ctx.paths.root) for name, path in made.files.items()}
        parity |= dict(made.parity)
    weights = folder / WEIGHTS
    save_weights(weights, _trainable(study, student, net).state_dict())
    list_weights(folder, manifest, weights)
    files["weights"] = _relative(weights, study.ctx.paths.root)
    return replace(student, files=files, parity=parity)


def _describe(study: Study, student: Student) -> Manifest:
    task, lineage = study.task, dict(student.lineage)
    latency, delivered = lineage.pop("latency", {}), dict(lineage.pop("delivered", {}))
    fused = {"blocks": delivered.pop("blocks"), "before": _before_fusing(student)} if delivered else {}
    spread = {"mean": dict(student.metrics), "deviation": dict(student.spread), "trainings": len(lineage["seeds"])}
    return Manifest(
        image_shape=task.image_shape,
        mean=task.mean,
        std=task.std,
        classes=task.classes,
        output_meaning=task.output_meaning,
        widths=student.candidate.widths,
        costs=dict(student.costs) | delivered,
        metrics=exported_metrics(study, student),
        over_seeds=spread,
        latency=latency,
        lineage=lineage | _origin(study),
        fused=fused,
        rebuild=_rebuild(study, student),
    )


def _trainable(study: Study, student: Student, net: nn.Module) -> nn.Module:
    """The net before any pass: what can be trained further, and what the student's widths rebuild."""
    if not study.spec.compress:
        return net
    return trained_net(study, student.candidate, exported_training(student))


def _before_fusing(student: Student) -> dict[str, Any]:
    """The form that was trained, before blocks were fused: where its weights are, and its costs."""
    costs = {name: cost for name, cost in student.costs.items() if name != LATENCY}
    return {"weights": WEIGHTS, "costs": costs}


def _rebuild(study: Study, student: Student) -> dict[str, Any]:
    """What makes the net that the weights belong to: the full net, and how many channels each group keeps of it."""
    task, net = study.task, study.spec.student.model_dump(mode="json", exclude_none=True, exclude={"weights"})
    shape = {"in_channels": task.image_shape[0], "image_size": task.image_shape[1], "num_classes": task.num_classes}
    return {"net": net, **shape, "seed": study.spec.seed, "widths": dict(student.candidate.widths)}


def _origin(study: Study) -> dict[str, Any]:
    spec = study.spec
    return {
        "study": spec.name,
        "seed": spec.seed,
        "net": spec.student.label,
        "compress": [{"name": each.name, **each.options.model_dump(mode="json")} for each in spec.compress],
        "data": study.task.name,
        "data_hash": study.task.digest,
        "teacher": _teacher(study),
        "versions": versions(),
    }


def _teacher(study: Study) -> dict[str, str] | None:
    teaching = study.ctx.teaching
    return None if teaching is None else {"name": teaching.teacher.name, "sha256": teaching.teacher.sha256}


def exported_metrics(study: Study, student: Student) -> dict[str, float]:
    """The figures of the training whose weights are exported, not the mean over seeds."""
    seed = student.lineage["exported_seed"]
    metric, shown = study.task.metric, student.lineage["validated"][str(seed)]
    return {metric.name: student.lineage["seeds"][str(seed)], metric.validation: shown}


def _pixels(study: Study) -> Tensor:
    """Test images that differ as much as they may, such as in their classes."""
    rows = study.task.pick_varied("test", PARITY_IMAGES)
    return study.task.images("test").images_NCHW[rows].float() / 255


def _relative(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
