"""What a study would cost: MACs, evaluations, and hours from three timed steps of each kind."""

from __future__ import annotations

import heapq
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdsearch import registry
from kdsearch.errors import DataError
from kdsearch.memory import keep_freed_memory
from kdsearch.records import RunPaths
from kdsearch.spec.study_spec import to_yaml
from kdsearch.study.synthesising import synthesis_seconds

if TYPE_CHECKING:
    from torch import nn

    from kdsearch.executors.base import Executor
    from kdsearch.spec.study_spec import StudySpec
    from kdsearch.study.planning import Study
    from kdsearch.tasks.base import Task

TIMED_STEPS = 3


def dry_run(spec: StudySpec, *, net: nn.Module | None = None, teacher: nn.Module | None = None) -> dict[str, Any]:
    """The resolved study, the MACs of the full and the smallest net, the evaluations, and a forecast of hours.

    Three steps of each kind are run and timed. Where the data are not there yet, they are replaced by random images
    of ``task.image_size`` and ``data`` says so: timing does not depend on what an image shows. ``net`` and
    ``teacher`` as in ``run_study``.

    Raises:
        KdsearchError: the study cannot be planned; a budget that no net can meet names the smallest.
    """
    from kdsearch.study.planning import plan
    from kdsearch.study.references import check_references
    from kdsearch.study.stand_in import stand_in_task

    keep_freed_memory()  # as a run does; without it the timed steps would be too slow
    with tempfile.TemporaryDirectory() as folder:
        paths = RunPaths(Path(folder))
        try:
            study = plan(spec, paths, net=net, teacher=teacher)
            check_references(study)
            note = _count_images(study)
        except DataError as error:
            if _data_are_there(spec):
                raise
            study = plan(spec, paths, task=stand_in_task(spec, error), net=net, teacher=teacher)
            note = f"{len(study.task.images('train')):,} random images stand in, also for the forecast: {error}"
        return _forecast(study, note)


def _count_images(study: Study) -> str:
    task = study.task
    train, validation = (len(task.images(part)) for part in ("train", "validation"))
    if task.placeholder:
        return f"{task.name}: {train:,} for training, {validation:,} for validation; smooth noise stands in until then"
    return f"{task.name}: {train:,} training and {validation:,} validation images of {task.num_classes} classes"


def _data_are_there(spec: StudySpec) -> bool:
    kind: type[Task] = registry.find(spec.task.package, spec.task.name)
    return kind.has_data(spec.task.options)


def _forecast(study: Study, note: str) -> dict[str, Any]:
    ctx, plugin = study.ctx, study.spec.executor
    executor: Executor = registry.find("kdsearch.executors", plugin.name)(plugin.options)
    seconds = _seconds(study, executor)
    full, smallest = ctx.widths.costs(ctx.widths.full), ctx.widths.costs(ctx.widths.smallest)
    return {
        "name": study.spec.name,
        "study": to_yaml(study.spec),
        "data": note,
        "net": study.spec.student.label,
        "groups": len(ctx.widths.groups),
        "candidates": ctx.space.size(),
        "frozen": [list(pair) for pair in ctx.widths.frozen],
        "full": full,
        "smallest": smallest,
        "uniform": [ctx.widths.costs(gene) for gene in ctx.uniform],
        "budgets": [{window.cost: [window.low, window.high] for window in windows} for windows in ctx.budgets],
        "evaluations": study.make_searcher().total(study.spec.budget.trials),
        "device": str(ctx.device),
        "executor": _say(executor, plugin.name),
        "hours": {phase: spent / 3600 for phase, spent in seconds.items()} | {"total": sum(seconds.values()) / 3600},
    }


def _say(executor: Executor, name: str) -> str:
    if executor.in_process:
        return f"{name}: everything in one process"
    return f"{name}: search and finish on {executor.capacity} workers (torch threads of each: {executor.threads})"


def _seconds(study: Study, executor: Executor) -> dict[str, float]:
    evaluations = study.make_searcher().total(study.spec.budget.trials)
    pieces = time_pieces(study, executor)
    search = pieces["candidate"] * math.ceil(evaluations / executor.capacity)
    if study.spec.budget.minutes is not None:
        search = min(search, 60 * study.spec.budget.minutes)
    return {"prepare": pieces["prepare"], "search": search, "finish": pieces["finish"]}


def time_pieces(study: Study, executor: Executor) -> dict[str, float]:
    """Seconds of what comes before a search, of one candidate, and of all trainings after it."""
    import torch

    from kdsearch.cost.threads import torch_threads

    ctx = study.ctx
    rehearsed = here = study.strategy.rehearse(ctx, TIMED_STEPS)
    own = torch.get_num_threads()
    threads = executor.threads or own
    with torch_threads(threads):
        if threads != own:
            rehearsed = study.strategy.rehearse(ctx, TIMED_STEPS)
        finish = _finish_seconds(study, executor.capacity)
    before = here["prepare"] + synthesis_seconds(study, TIMED_STEPS)
    if study.finish.options.asks_teacher and not study.strategy.options.asks_teacher:
        before += study.finish.rehearse(ctx, TIMED_STEPS)["prepare"]
    return {"prepare": before, "candidate": rehearsed["score"], "finish": finish}


def _finish_seconds(study: Study, workers: int) -> float:
    """Seconds of all trainings at the end: finalists, then winners and controls, each at its own widths."""
    ctx, finish = study.ctx, study.spec.finish
    length = finish.options.trained_epochs or 1
    finalists: list[float] = []
    students: list[float] = []
    for uniform in ctx.uniform:
        one = study.finish.epoch_seconds(ctx, uniform, TIMED_STEPS) * length
        students += [one] * finish.trained_per_budget
        for size, epochs in finish.rounds:  # the uniform net is trained beside the finalists
            finalists += [one * epochs / length] * (size + 1)
    if finish.controls.full:
        students += [study.finish.epoch_seconds(ctx, ctx.widths.full, TIMED_STEPS) * length] * finish.seeds
    return side_by_side(finalists, workers) + side_by_side(students, workers)


def side_by_side(seconds: Sequence[float], workers: int) -> float:
    """How long pieces of work take, begun in this order, each by the first worker that is free."""
    free = [0.0] * workers
    for each in seconds:
        heapq.heapreplace(free, free[0] + each)
    return max(free)
