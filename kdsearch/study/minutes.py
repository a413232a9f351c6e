"""How long a study without data will take, said before it begins; what does not fit its minutes is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdsearch import registry
from kdsearch.errors import SpecError
from kdsearch.progress import Progress, Watch
from kdsearch.report.words import say_duration
from kdsearch.spec.task_sections import TaskOptions
from kdsearch.study.forecast import time_pieces

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kdsearch.executors.base import Executor
    from kdsearch.spec.study_spec import StudySpec
    from kdsearch.study.planning import Study

_ROOM = 0.9  # of the minutes: a forecast from a few steps is that rough


def check_minutes(study: Study, watch: Watch) -> None:
    """Tells what a study without data takes at least, from three timed steps of each kind; no other study is timed.

    At least: what comes before the search, one candidate, and the trainings after it; the search itself ends in time.

    Raises:
        SpecError: that is more than ``budget.minutes``; the message names settings that fit.
    """
    spec = study.spec
    if not spec.without_data:
        return
    plugin, budget = spec.executor, spec.budget
    executor: Executor = registry.find("kdsearch.executors", plugin.name)(plugin.options)
    pieces = time_pieces(study, executor)
    least = sum(pieces.values())
    said = ", ".join(f"{name} {say_duration(seconds)}" for name, seconds in pieces.items())
    watch(Progress("plan", 0, 0, f"takes {say_duration(least)} at least ({said}), by three timed steps of each"))
    if budget.minutes is None or budget.allow_slow or least <= 60 * budget.minutes:
        return
    raise SpecError(
        f"budget.minutes: is {budget.minutes:g}, and this study takes {least / 60:.3g} at least ({said}); "
        f"{_advise(find_lengths(spec), 60 * budget.minutes / least)}, or set budget.allow_slow: true"
    )


def find_lengths(spec: StudySpec) -> dict[str, int]:
    """The settings that the time of a study without data grows with, by their keys."""
    found = {f"strategy.{name}": value for name, value in spec.strategy.options.lengths.items()}
    found |= {f"finish.{name}": value for name, value in spec.finish.options.lengths.items()}
    task = spec.task.options
    if spec.task.generates and isinstance(task, TaskOptions) and task.synthesis is not None:
        found["task.synthesis.steps"] = task.synthesis.steps
    return found


def _advise(lengths: Mapping[str, int], share: float) -> str:
    """Settings with which everything takes that share of the time."""
    smaller = {key: int(_ROOM * share * value) for key, value in lengths.items()}
    if min(smaller.values(), default=0) < 1:
        return "that is too few for any training: raise it"
    return f"set {' and '.join(f'{key} to {value}' for key, value in smaller.items())}"
