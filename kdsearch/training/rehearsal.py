"""Seconds of a training step, measured on a few: what a forecast multiplies."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import torch
from torch import nn

from kdsearch.spec.sections import Recipe
from kdsearch.training.learner import Learner
from kdsearch.training.loop import keeping_random_numbers, take_steps
from kdsearch.training.net import NetLearner, TaskObjective

if TYPE_CHECKING:
    from kdsearch.tasks.base import Task

_WARM_STEPS = 2  # the first steps of a process allocate and choose kernels
_LEAST_IMAGES = 8
_TIMED_VALUES = 1_300_000  # numbers in a batch that is only timed: 8 images of 224 pixels
_RECIPE = Recipe()


def short_recipe(recipe: Recipe, image_shape: tuple[int, int, int]) -> Recipe:
    """The recipe with a batch small enough to time anywhere: a step's time grows in proportion to its images."""
    channels, height, width = image_shape
    most = max(_LEAST_IMAGES, _TIMED_VALUES // (channels * height * width))
    return recipe.model_copy(update={"batch_size": min(recipe.batch_size, most)})


def training_seconds(net: nn.Module, task: Task, recipe: Recipe, device: torch.device, count: int) -> float:
    """Forecast of the seconds of one epoch of plain training, in its precision and layout; ``net`` is changed by it."""
    short = short_recipe(recipe, task.image_shape)
    learner = NetLearner(net, task, short, TaskObjective(task, short, 0, device), device)
    return epoch_seconds(learner, images_an_epoch(task, recipe), device, count)


def images_an_epoch(task: Task, recipe: Recipe) -> int:
    """How many images an epoch's full batches show."""
    return len(task.images("train")) // recipe.batch_size * recipe.batch_size


def epoch_seconds(learner: Learner, images: int, device: torch.device, count: int) -> float:
    """Forecast of an epoch of so many images, from ``count`` steps, loading included, after two that are not counted.

    The learner is changed by its steps.
    """
    times = []
    with keeping_random_numbers(device):
        steps = take_steps(learner, 0, device)
        for number in range(count + _WARM_STEPS):
            started = time.monotonic()
            next(steps)
            _settle(device)
            if number >= _WARM_STEPS:
                times.append(time.monotonic() - started)
        steps.close()
    return statistics.median(times) * images / learner.recipe.batch_size


def image_seconds(net: nn.Module, task: Task, device: torch.device, count: int) -> float:
    """Seconds that one image takes forward, from ``count`` batches."""
    batch = task.calibration(short_recipe(_RECIPE, task.image_shape).batch_size, seed=0, device=device)
    times = []
    with torch.inference_mode():
        for _ in range(count + 1):
            started = time.monotonic()
            net(batch)
            _settle(device)
            times.append(time.monotonic() - started)
    return float(statistics.median(times[1:])) / len(batch)


def _settle(device: torch.device) -> None:
    """Waits for a GPU, which is given work faster than it does it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
