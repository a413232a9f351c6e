"""What a teacher costs: a step with its stored answers and one that asks it, against a step without a teacher."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from kdsearch.cost.threads import torch_threads
from kdsearch.data.datasets import Dataset
from kdsearch.data.images import ImageSet
from kdsearch.measures.layout import image_layout
from kdsearch.models.resnet_cifar import resnet20, resnet56
from kdsearch.spec.distill_sections import DistillationOptions
from kdsearch.spec.task_sections import TaskOptions
from kdsearch.spec.terms import Term
from kdsearch.tasks.classification import Classification
from kdsearch.teaching.lessons import Lesson, Teaching, make_objective, make_pupil_of
from kdsearch.teaching.teachers import Teacher
from kdsearch.training.loop import keeping_random_numbers, take_steps
from kdsearch.training.net import NetLearner, TaskObjective

_CPU = torch.device("cpu")
_CLASSES = 10
_TERMS = ({"ce": 0.1}, {"kd": {"weight": 0.9, "temperature": 4}}, {"cc": 100})
_TARGETS = {"cached_target": 1.08, "speedup_target": 2.0}
_STEPS = 50  # that one block times


def run(
    *,
    images: int = 640,
    blocks: int = 3,
    steps: int = _STEPS,
    on_row: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """``cases``: net, batch, and CPU milliseconds a step, loading included, medians over interleaved blocks of steps.

    ``cached_ratio``: with stored answers over plain cross-entropy; ``speedup``: accompanied by the teacher over with
    stored answers. One thread; 32-pixel images of noise, which cost as much as any.
    """
    rows = []
    with torch_threads(1), keeping_random_numbers(_CPU):
        for name, teacher, student in (
            ("resnet56 -> resnet20", resnet56, resnet20),
            ("resnet20 -> resnet20 x 0.25", resnet20, lambda classes, channels, _: resnet20(classes, channels, 0.25)),
        ):
            row = {"net": name, **_measure(teacher, student, images=images, blocks=blocks, steps=steps), **_TARGETS}
            rows.append(row)
            if on_row is not None:
                on_row(row)
    return {"cases": rows}


def _measure(
    teacher: Callable[[int, int, float], nn.Module],
    student: Callable[[int, int, float], nn.Module],
    *,
    images: int,
    blocks: int,
    steps: int,
) -> dict[str, Any]:
    options = DistillationOptions(terms=tuple(Term.model_validate(term) for term in _TERMS), batch_size=64)
    with tempfile.TemporaryDirectory() as folder:
        teaching = Teaching(_freeze(teacher(_CLASSES, 3, 1.0)), "cached", 1, Path(folder))
        lesson = Lesson(_noise(images), teaching, options, _CPU, 0)
        runners = {
            "plain": _steps(lesson, student(_CLASSES, 3, 1.0), plain=True),
            "cached": _steps(replace(lesson, mode="cached"), student(_CLASSES, 3, 1.0), plain=False),
            "online": _steps(lesson, student(_CLASSES, 3, 1.0), plain=False),
        }
        for runner in runners.values():  # the first steps allocate, and the first one measures the gradients
            _time(runner, 2)
        taken: dict[str, list[float]] = {name: [] for name in runners}
        for _ in range(blocks):
            for name, runner in runners.items():
                taken[name].append(_time(runner, steps))
    medians = {name: statistics.median(times) for name, times in taken.items()}
    return {
        "batch": options.batch_size,
        **{f"{name}_ms": 1e3 * seconds for name, seconds in medians.items()},
        "cached_ratio": statistics.median(c / p for c, p in zip(taken["cached"], taken["plain"], strict=True)),
        "speedup": statistics.median(o / c for o, c in zip(taken["online"], taken["cached"], strict=True)),
    }


def _time(runner: Iterator[None], steps: int) -> float:
    """CPU seconds of a step."""
    started = time.thread_time()
    for _ in range(steps):
        next(runner)
    return (time.thread_time() - started) / steps


def _steps(lesson: Lesson, net: nn.Module, *, plain: bool) -> Iterator[None]:
    """Training steps for ever, as ``train_net`` takes them."""
    recipe = lesson.options
    model: nn.Module = net if plain else make_pupil_of(lesson, net, 0)
    objective: Any = TaskObjective(lesson.task, recipe, 0, _CPU) if plain else make_objective(lesson, net, 0)
    return take_steps(NetLearner(model, lesson.task, recipe, objective, _CPU), 0, _CPU)


def _freeze(net: nn.Module) -> Teacher:
    net.to(memory_format=image_layout(net)).eval().requires_grad_(False)
    classes = tuple(str(number) for number in range(_CLASSES))
    return Teacher(net, "noise", "0" * 64, (0.5,) * 3, (0.25,) * 3, classes, None)


def _noise(count: int) -> Classification:
    random = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=random)
    part = ImageSet(pixels, torch.arange(count) % _CLASSES)
    classes = tuple(str(number) for number in range(_CLASSES))
    dataset = Dataset("noise", part, part, part, classes, (0.5,) * 3, (0.25,) * 3, digest="noise")
    return Classification(TaskOptions(dataset="mnist5k"), dataset)
