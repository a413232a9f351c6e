"""Optimisers and learning-rate schedules of a recipe."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from kdsearch.spec.sections import Recipe


def make_optimizer(recipe: Recipe, parameters: nn.Module | Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """SGD with Nesterov-free momentum, or AdamW, over the parameters that need gradients.

    Weight decay acts on tensors of two dimensions or more only: biases and the scales of norm layers are left alone.
    The fused kernels are 2-3 times as fast as torch's other forms, on a CPU too, and compute the same.
    """
    found = parameters.parameters() if isinstance(parameters, nn.Module) else parameters
    trained = [parameter for parameter in found if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": recipe.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    used = [group for group in groups if group["params"]]
    fused = all(p.device.type in ("cpu", "cuda") and p.is_floating_point() for p in trained)
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(used, lr=recipe.learning_rate, fused=fused)
    return torch.optim.SGD(used, lr=recipe.learning_rate, momentum=recipe.momentum, fused=fused)


def learning_rate(recipe: Recipe, step: int, steps: int, steps_per_epoch: int) -> float:
    """The rate of step ``step`` (from 0) of ``steps``; above 0 at the last step, 0 only after it.

    Warm-up rises in equal parts to the full rate at the end of ``warmup_epochs``. After it, with t from 0 to 1: linear
    1 - t; cosine (1 + cos(pi t)) / 2 (Loshchilov & Hutter 2017); step: a tenth after each milestone.
    """
    warmup = min(round(recipe.warmup_epochs * steps_per_epoch), steps - 1)
    if step < warmup:
        return recipe.learning_rate * (step + 1) / warmup
    return recipe.learning_rate * _share(recipe, (step - warmup) / (steps - warmup))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Every parameter group of the optimiser takes this rate at its next step."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def _share(recipe: Recipe, t: float) -> float:
    if recipe.schedule == "linear":
        return 1 - t
    if recipe.schedule == "cosine":
        return (1 + math.cos(math.pi * t)) / 2
    if recipe.schedule == "step":
        return float(0.1 ** sum(t >= milestone for milestone in recipe.milestones))
    return 1.0
