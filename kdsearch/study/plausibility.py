"""Whether a net that came trained can be what it is taken for: one look at the validation images.

C: classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from kdsearch.report.words import say_percent

if TYPE_CHECKING:
    from torch import nn

    from kdsearch.tasks.base import Task

_CLEARLY = 4.0  # how many standard errors a difference must exceed
_LOST = 0.1  # by so much of a share the figure must be too low for a doubt
_REORDERED = 0.5  # the share of right answers from which another order of the classes explains them
_LIMIT = 512  # how many images other normalisations are tried on
_QUESTIONS = "are these its weights, its mean and std, and its classes in their order?"
_OTHERS = {
    "mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "mean: 0.5, std: 0.5": ((0.5,), (0.5,)),
    "mean: 0, std: 1": ((0.0,), (1.0,)),
    "mean: 0, std: 0.00392": ((0.0,), (1 / 255,)),
}
"""What nets are commonly trained with: ImageNet's numbers, -1 to 1, 0 to 1 and 0 to 255."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """What looks wrong with a net. ``certain``: nothing else explains it; ``by_chance``: it knows nothing of these."""

    text: str
    certain: bool = False
    by_chance: bool = False


def doubt_net(
    net: nn.Module, task: Task, *, device: torch.device, claimed: float | None = None, try_others: bool = False
) -> Doubt | None:
    """What looks wrong with a trained net, judged by the task's validation images; None if nothing does.

    ``claimed``: the figure that somebody says it has there; ``try_others``: whether its normalisation is a guess.
    """
    figures, details = task.examine(net, "validation", device=device)
    if "confusion" not in details:
        return None
    metric = task.metric.on_validation
    figure = figures[metric.name]
    confusion_CC = np.array(details["confusion"])
    images_C = np.array(details["per_class"]["images"])
    right = float(confusion_CC.trace() / images_C.sum())
    if reordered := _find_order(confusion_CC, right, task.classes):
        return Doubt(reordered, certain=True)
    chance = float(images_C.max() / images_C.sum())
    bound = chance + _CLEARLY * math.sqrt(chance * (1 - chance) / images_C.sum())
    by_chance = right <= bound < 1  # where nearly all images are of one class even a perfect net is no better than it
    lost = 0.0 if claimed is None else metric.merit(claimed) - metric.merit(figure)
    below = lost > max(_LOST, _CLEARLY * figures[metric.stderr])
    hint = _find_normalisation(net, task, device) if by_chance or below or try_others else ""
    if not (by_chance or below or hint):
        return None
    said = f"reaches {metric.say(figure)} on the {metric.validated_on}"
    said += f", no more than chance ({say_percent(chance)} right)" if by_chance else ""
    said += f", its card or manifest says {metric.say(claimed)}" if below and claimed is not None else ""
    return Doubt(f"{said}; {hint or _QUESTIONS}", by_chance=by_chance)


def _find_order(confusion_CC: np.ndarray, right: float, classes: Sequence[str]) -> str:
    """Which order of the classes explains the answers, of which a share is ``right`` in theirs, where one does."""
    from scipy.optimize import linear_sum_assignment

    count = int(confusion_CC.sum())
    if count < 3 * len(classes):
        return ""
    rows, columns = linear_sum_assignment(-confusion_CC)
    best = float(confusion_CC[rows, columns].sum() / count)
    if best < _REORDERED or best - right < 0.3:
        return ""
    order = sorted(zip(columns.tolist(), rows.tolist(), strict=True))
    named = ", ".join(f"output {column} is '{classes[row]}'" for column, row in order if column != row)
    return (
        f"is right on {say_percent(right)} of the validation images, and on {say_percent(best)} with its classes in "
        f"another order: {named}; put them into the data's order"
    )


def _find_normalisation(net: nn.Module, task: Task, device: torch.device) -> str:
    """Which usual normalisation makes the net far better, if one does."""
    channels, metric = task.image_shape[0], task.metric.on_validation
    own = task.evaluate(net, "validation", device=device, limit=_LIMIT)
    found: dict[str, dict[str, float]] = {}
    for said, (mean, std) in _OTHERS.items():
        wide = [numbers * channels if len(numbers) == 1 else numbers for numbers in (mean, std)]
        if all(len(numbers) == channels for numbers in wide):
            other = task.normalised_by(*wide)
            found[said] = other.evaluate(net, "validation", device=device, limit=_LIMIT)
    best = max(found, key=lambda said: metric.merit(found[said][metric.name]))
    reached = found[best][metric.name]
    error = max(own[metric.stderr], found[best][metric.stderr], 1 / own["images"])  # none of few images is no error
    if metric.merit(reached) - metric.merit(own[metric.name]) <= max(_LOST, _CLEARLY * error):
        return ""
    return f"with {best} it reaches {metric.say(reached)}: write that beside it"
