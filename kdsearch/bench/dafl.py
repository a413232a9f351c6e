"""What a student learns without data in so many seconds of a processor, judged on real images that it never saw."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from kdsearch.data.datasets import load_dataset
from kdsearch.datafree.learner import DataFreeLearner
from kdsearch.datafree.pace import find_pace, round_seconds
from kdsearch.errors import SpecError
from kdsearch.files import cache_dir
from kdsearch.models.zoo import make_net
from kdsearch.spec.datafree_sections import DataFreeOptions
from kdsearch.spec.errors import unknown
from kdsearch.spec.metric import ACCURACY
from kdsearch.spec.sections import StudentOptions
from kdsearch.spec.task_sections import TaskOptions
from kdsearch.tasks.classification import Classification
from kdsearch.teaching.teachers import Teacher, load_teacher
from kdsearch.training.initialise import initialise
from kdsearch.training.loop import Setting, fit

RECIPES: Mapping[str, Mapping[str, Any]] = {
    "fast": {},
    "fast, generators alone": {"synthesis": {"procedural": 0}},
    "fast, adversarial": {"adversarial": 1.0},
    "dafl-paper": {"preset": "dafl-paper"},
}
PAPER_STEPS = 24_000
"""Of the authors' recipe for MNIST: 200 epochs of 120."""
_EVALUATIONS = 10
_GOAL = 95.0
_TIMED = 9  # rounds; the first ones of a process are slower than the others
_SHARE = 0.95  # of the seconds that are planned with; the rest is for evaluations and slower steps


@dataclass(frozen=True, slots=True)
class _Case:
    """What all trainings of the suite share, and what one of them is."""

    task: Classification
    teacher: Teacher
    student: StudentOptions
    recipe: str
    cpu_seconds: float
    given: Mapping[str, Any]


def run(  # noqa: PLR0913 - the situation that is measured
    *,
    teacher: str = "lenet5_mnist5k",
    net: str = "lenet5",
    width: float = 0.5,
    npz: str | None = None,
    recipes: list[str] | None = None,
    cpu_seconds: list[float] | None = None,
    seeds: int = 3,
    first_seed: int = 0,
    options: dict[str, Any] | None = None,
    forecast: bool = True,
    on_row: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """``cases``: recipe, ``cpu_s``, test accuracies in percent of the ``seeds``, their ``mean`` and ``spread``, and
    the seconds after which a student, looked at ten times, had 95%.

    The student is the one that the probe selected; spread is the largest less the smallest. ``npz``: real images to be
    tested on in place of mnist5k's. ``options`` are set in every recipe. Of dafl-paper there is a row with the hours
    that its 24,000 steps would take, ``forecast`` from measured ones.
    """
    chosen = recipes if recipes is not None else ["fast"]
    if wrong := [name for name in chosen if name not in RECIPES]:
        raise SpecError(f"recipes: {unknown('recipe', wrong[0], list(RECIPES))}")
    if seeds < 1:
        raise SpecError(f"seeds must be at least 1 (got {seeds})")
    source = TaskOptions(npz=npz) if npz else TaskOptions(dataset="mnist5k")
    task = Classification(source, load_dataset(source, cache_dir=cache_dir(), seed=0))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    loaded = load_teacher(teacher, task, device)
    student = StudentOptions(net=net, width=width)
    rows: list[dict[str, Any]] = []
    for recipe in chosen:
        for seconds in cpu_seconds or [30, 120, 600]:
            case = _Case(task, loaded, student, recipe, seconds, options or {})
            rows.append(_measure(case, range(first_seed, first_seed + seeds)))
            if on_row is not None:
                on_row(rows[-1])
    about = {"teacher": loaded.name, f"teacher_{ACCURACY.name}": _percent(task, loaded.net), "data": task.name}
    made = {**about, "student": f"{net} x {width:g}", "cases": rows}
    return {**made, "paper": _forecast_paper(task, loaded, student)} if forecast else made


def _measure(case: _Case, seeds: range) -> dict[str, Any]:
    found = [_train(case, seed) for seed in seeds]
    accuracies = [each[ACCURACY.name] for each in found]
    return {
        "recipe": case.recipe,
        "cpu_s": round(statistics.fmean(each["cpu_s"] for each in found), 1),
        "seeds": [round(accuracy, 2) for accuracy in accuracies],
        "mean": round(statistics.fmean(accuracies), 2),
        "spread": round(max(accuracies) - min(accuracies), 2),
        "probe_kl": [round(each["probe_kl"], 4) for each in found],
        "rounds": [each["rounds"] for each in found],
        "student_steps": [each["student_steps"] for each in found],
        "seconds_to_95": [each["reached_s"] for each in found],
    }


def _train(case: _Case, seed: int) -> dict[str, Any]:
    """One training within the seconds, judged once, at its end."""
    task, teacher = case.task, case.teacher
    net = make_net(case.student, num_classes=task.num_classes, in_channels=task.image_shape[0])
    initialise(net, seed)
    options, seen = _options(case.recipe, case.given), (tuple(task.mean), tuple(task.std))
    pace = find_pace(teacher, net, task.image_shape, options, seen)["student_steps"]
    options = options.model_copy(update={"student_steps": pace})
    seconds = round_seconds(teacher, net, task.image_shape, options, seen, _TIMED)
    rounds = max(1, int(_SHARE * case.cpu_seconds / seconds / _EVALUATIONS))
    options = options.model_copy(update={"epochs": _EVALUATIONS, "rounds": rounds})
    learner = DataFreeLearner(teacher, net, task.image_shape, options, statistics=seen, seed=seed)
    watch = _Watch(task, learner)
    fit(learner, Setting(seed, teacher.device, note=case.recipe, report=watch))
    kl = learner.select()
    found = {ACCURACY.name: _percent(task, learner.student), "probe_kl": kl, "cpu_s": watch.spent()}
    return {**found, "rounds": rounds * _EVALUATIONS, "student_steps": pace, "reached_s": watch.reached}


class _Watch:
    """Looks at real images after each evaluation, in time that does not count, and decides nothing by what it sees."""

    def __init__(self, task: Classification, learner: DataFreeLearner) -> None:
        self._task, self._learner, self._began = task, learner, time.process_time()
        self.reached: float | None = None

    def __call__(self, epoch: int, value: float) -> bool:  # noqa: ARG002
        spent = self.spent()
        if self.reached is None and _percent(self._task, self._learner.student) >= _GOAL:
            self.reached = round(spent, 1)
        self._began = time.process_time() - spent
        return False

    def spent(self) -> float:
        return time.process_time() - self._began


def _forecast_paper(task: Classification, teacher: Teacher, student: StudentOptions) -> dict[str, float]:
    """Seconds of a step of the authors' recipe, measured, and the hours of all of them, forecast."""
    net = make_net(student, num_classes=task.num_classes, in_channels=task.image_shape[0])
    seen = (tuple(task.mean), tuple(task.std))
    seconds = round_seconds(teacher, net, task.image_shape, _options("dafl-paper", {}), seen, _TIMED)
    return {"step_cpu_s": round(seconds, 2), "steps": PAPER_STEPS, "hours": round(seconds * PAPER_STEPS / 3600, 1)}


def _options(recipe: str, given: Mapping[str, Any]) -> DataFreeOptions:
    """The recipe with the options given, those of its synthesis beside the recipe's own."""
    made = {**RECIPES[recipe], **given}
    synthesis = {**RECIPES[recipe].get("synthesis", {}), **given.get("synthesis", {})}
    return DataFreeOptions.model_validate({**made, **({"synthesis": synthesis} if synthesis else {})})


def _percent(task: Classification, net: torch.nn.Module) -> float:
    """The accuracy on the real test images."""
    return 100 * task.evaluate(net, "test", device=next(net.parameters()).device)[task.metric.name]
