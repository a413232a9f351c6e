"""How often a student learns for each step of a generator, and what such a round takes; timed, so decided once."""

from __future__ import annotations

import copy
import statistics
import time
from typing import Any

from torch import nn

from kdsearch.datafree.gauges import Statistics
from kdsearch.datafree.learner import DataFreeLearner
from kdsearch.spec.datafree_sections import DataFreeOptions
from kdsearch.teaching.teachers import Teacher
from kdsearch.training.loop import keeping_random_numbers, take_steps

_TIMED = 5
_MANY = 9  # student steps in a round that is compared with a round of one
_WARM = 1
_MOST = 1_000
_TIMES = 6  # the student's time for the generators': with as much of either it reaches far less (docs/measurements.md)


def find_pace(
    teacher: Teacher, net: nn.Module, shape: tuple[int, int, int], options: DataFreeOptions, seen: Statistics
) -> dict[str, Any]:
    """``student_steps`` and ``reason`` in words: as many as take six sevenths of the time, or as many as said."""
    if options.student_steps != "auto":
        return {"student_steps": options.student_steps, "reason": _say(options.student_steps, "the study says so")}
    one, many = (
        round_seconds(teacher, net, shape, options.model_copy(update={"student_steps": steps}), seen, _TIMED)
        for steps in (1, _MANY)
    )
    student = max((many - one) / (_MANY - 1), 1e-6)
    generator = max(one - student, 1e-6)
    steps = min(_MOST, max(1, round(_TIMES * generator / student)))
    return {
        "student_steps": steps,
        "reason": _say(steps, f"it takes {1e3 * generator:.1f} ms, one of the student's {1e3 * student:.1f} ms"),
    }


def round_seconds(
    teacher: Teacher,
    net: nn.Module,
    shape: tuple[int, int, int],
    options: DataFreeOptions,
    seen: Statistics,
    count: int,
) -> float:
    """The processor's seconds of a round, a median of ``count``; nothing is kept."""
    learner = DataFreeLearner(teacher, copy.deepcopy(net), shape, options, statistics=seen, seed=0)
    # what else the machine does is not to count; a GPU's work is not the processor's
    clock = time.process_time if teacher.device.type == "cpu" else time.perf_counter
    times = []
    with keeping_random_numbers(teacher.device):
        steps = take_steps(learner, 0, teacher.device)
        for number in range(_WARM + count):
            began = clock()
            next(steps)
            float(learner.figures()["loss"])  # waits for the device
            if number >= _WARM:
                times.append(clock() - began)
        steps.close()
    return statistics.median(times)


def _say(steps: Any, why: str) -> str:
    return f"{steps} steps of the student for each of a generator: {why}"
