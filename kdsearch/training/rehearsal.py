"""Seconds of a training step, measured on a few: what a forecast multiplies."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor, nn

from kdsearch.models.pruningnet import Descent
from kdsearch.training.optim import make_optimizer

if TYPE_CHECKING:
    from kdsearch.data.batches import Batches
    from kdsearch.sections import Recipe
    from kdsearch.tasks.base import Task
    from kdsearch.training.supernet import DrawGenes, Supernet

Step = Callable[[Tensor, Tensor], object]


def time_steps(batches: Batches, step: Step, count: int) -> float:
    """Median seconds of ``count`` steps, loading included, after one that is not counted."""
    times = []
    source = iter(batches.epoch(0))
    for _ in range(min(count + 1, len(batches))):
        started = time.monotonic()
        step(*next(source))
        times.append(time.monotonic() - started)
    return float(statistics.median(times[1:] or times))


def training_seconds(net: nn.Module, task: Task, recipe: Recipe, batches: Batches, count: int) -> float:
    """Seconds of one step of plain training; ``net`` is changed by it."""
    net.train()
    optimizer = make_optimizer(recipe, net)

    def step(image_BCHW: Tensor, label_B: Tensor) -> None:
        optimizer.zero_grad()
        task.loss(net(image_BCHW), label_B, recipe.label_smoothing).backward()
        optimizer.step()

    return time_steps(batches, step, count)


def supernet_seconds(supernet: Supernet, recipe: Recipe, batches: Batches, draw: DrawGenes, count: int) -> float:
    """Seconds of one PruningNet step; the generator is changed by it."""
    supernet.net.train()
    rng = np.random.default_rng(0)
    descent = Descent(recipe.learning_rate * 1e-3, recipe.momentum)

    def step(image_BCHW: Tensor, label_B: Tensor) -> None:
        supernet.step(image_BCHW, label_B, draw(rng), descent, recipe.label_smoothing)

    return time_steps(batches, step, count)
