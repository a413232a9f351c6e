"""Seconds of a training step, measured on a few: what a forecast multiplies."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from kdsearch.measures.layout import training_layout
from kdsearch.pruningnet.crop_descent import Descent
from kdsearch.spec.sections import Recipe
from kdsearch.training.learner import autocast
from kdsearch.training.optim import make_optimizer

if TYPE_CHECKING:
    from kdsearch.data.batches import Batches
    from kdsearch.pruningnet.supernet import DrawGenes, Supernet
    from kdsearch.tasks.base import Task

Step = Callable[[Tensor, Tensor], object]

_WARM_STEPS = 2  # the first steps of a process allocate and choose kernels
_LEAST_IMAGES = 8
_TIMED_VALUES = 1_300_000  # numbers in a batch that is only timed: 8 images of 224 pixels
_RECIPE = Recipe()


def short_recipe(recipe: Recipe, image_shape: tuple[int, int, int]) -> Recipe:
    """The recipe with a batch small enough to time anywhere: a step's time grows in proportion to its images."""
    channels, height, width = image_shape
    most = max(_LEAST_IMAGES, _TIMED_VALUES // (channels * height * width))
    return recipe.model_copy(update={"batch_size": min(recipe.batch_size, most)})


def epoch_seconds(task: Task, recipe: Recipe, device: torch.device, step: Step, count: int) -> float:
    """Forecast of one epoch's seconds from ``count`` steps, loading included, after two that are not counted."""
    short = short_recipe(recipe, task.image_shape)
    batches = task.train_batches(short, 0, device)
    times = []
    for number, (image_BCHW, label_B) in zip(range(count + _WARM_STEPS), _endless(batches), strict=False):
        started = time.monotonic()
        step(image_BCHW, label_B)
        _settle(device)
        if number >= _WARM_STEPS:
            times.append(time.monotonic() - started)
    images = len(task.train_batches(recipe, 0, device)) * recipe.batch_size
    return float(statistics.median(times)) * images / short.batch_size


def _endless(batches: Batches) -> Iterator[tuple[Tensor, Tensor]]:
    for epoch in itertools.count():
        yield from batches.epoch(epoch)


def training_seconds(net: nn.Module, task: Task, recipe: Recipe, device: torch.device, count: int) -> float:
    """Forecast of the seconds of one epoch of plain training, in its precision and layout; ``net`` is changed by it."""
    net.train()
    optimizer = make_optimizer(recipe, net)

    def step(image_BCHW: Tensor, label_B: Tensor) -> None:
        optimizer.zero_grad()
        with autocast(recipe.precision, device):
            loss = task.loss(net(image_BCHW), label_B, recipe.label_smoothing)
        loss.backward()
        if recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(net.parameters(), recipe.clip_norm)
        optimizer.step()

    with training_layout(net):
        return epoch_seconds(task, recipe, device, step, count)


def supernet_seconds(supernet: Supernet, task: Task, recipe: Recipe, draw: DrawGenes, count: int) -> float:
    """Forecast of the seconds of one epoch of PruningNet training; the generator is changed by it."""
    supernet.net.train()
    rng = np.random.default_rng(0)
    descent = Descent(recipe.learning_rate * 1e-3, recipe.momentum)
    device = next(supernet.net.parameters()).device

    def step(image_BCHW: Tensor, label_B: Tensor) -> None:
        supernet.step(image_BCHW, label_B, draw(rng), descent, recipe.label_smoothing)

    return epoch_seconds(task, recipe, device, step, count)


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
