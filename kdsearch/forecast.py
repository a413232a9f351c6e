"""What a study would cost: MACs, evaluations, and hours from three timed steps of each kind."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdsearch.errors import DataError
from kdsearch.records import RunPaths
from kdsearch.spec import to_yaml

if TYPE_CHECKING:
    from kdsearch.planning import Study
    from kdsearch.sections import Recipe
    from kdsearch.space import Candidate
    from kdsearch.spec import StudySpec

TIMED_STEPS = 3


def dry_run(spec: StudySpec) -> dict[str, Any]:
    """The resolved study, the MACs of the full and the smallest net, the evaluations, and a forecast of hours.

    Three steps of each kind are run and timed. Where the data are not there yet, they are replaced by random images
    of ``task.image_size`` and ``data`` says so: timing does not depend on what an image shows.

    Raises:
        KdsearchError: the study cannot be planned; a budget that no net can meet names the smallest.
    """
    from kdsearch.planning import plan, stand_in_task

    with tempfile.TemporaryDirectory() as folder:
        paths = RunPaths(Path(folder))
        note = "as the study says"
        try:
            study = plan(spec, paths)
        except DataError as error:
            if _data_are_there(spec):
                raise
            study = plan(spec, paths, task=stand_in_task(spec, error))
            note = f"{len(study.task.images('train')):,} random images stand in: {error}"
        return _forecast(study, note)


def _data_are_there(spec: StudySpec) -> bool:
    """Whether everything that the study's task names lies on the disk, so that an error is about what it holds."""
    task = spec.task
    named = [path for path in (task.npz, task.folder, task.root) if path is not None]
    return all(path.exists() for path in named) and (bool(named) or task.dataset is not None)


def _forecast(study: Study, note: str) -> dict[str, Any]:
    ctx = study.ctx
    seconds = _seconds(study)
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
        "hours": {phase: spent / 3600 for phase, spent in seconds.items()} | {"total": sum(seconds.values()) / 3600},
    }


def _seconds(study: Study) -> dict[str, float]:
    spec, ctx = study.spec, study.ctx
    evaluations = study.make_searcher().total(spec.budget.trials)
    rehearsal = study.strategy.rehearse(ctx, TIMED_STEPS)
    search = rehearsal["score"] * evaluations
    if spec.budget.minutes is not None:
        search = min(search, 60 * spec.budget.minutes)
    return {"prepare": rehearsal["prepare"], "search": search, "finish": _finish_seconds(study)}


def _finish_seconds(study: Study) -> float:
    """Of all trainings at the end: winners, controls and finalists, each at its own widths."""
    ctx, finish = study.ctx, study.spec.finish
    recipe: Recipe = finish.options  # type: ignore[assignment]
    full = _training_seconds(study, ctx.widths.full, recipe)
    total = full if finish.controls.full else 0.0
    for uniform in ctx.uniform:
        one = _training_seconds(study, uniform, recipe)
        total += one * (finish.seeds * (1 + finish.controls.uniform) + finish.controls.random)
        if finish.finalists > 1:
            total += one * (finish.finalists + 1) * finish.finalist_epochs / recipe.epochs
    return total


def _training_seconds(study: Study, gene: Candidate, recipe: Recipe) -> float:
    from kdsearch.training.rehearsal import training_seconds

    ctx = study.ctx
    net = ctx.widths.build(gene).to(ctx.device)
    return training_seconds(net, ctx.task, recipe, ctx.device, TIMED_STEPS) * recipe.epochs
