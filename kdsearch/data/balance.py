"""How unequal the classes of a training part are, and the weights that make up for it.

N: images.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from kdsearch.errors import SpecError
from kdsearch.spec.task_sections import TaskOptions

_UNEQUAL = 5  # times as many images of the largest class as of the smallest


def note_imbalance(name: str, classes: Sequence[str], labels_N: Tensor, *, weighted: bool) -> str:
    """A sentence on training images that are far from equal in number; empty where they are not."""
    count_C = torch.bincount(labels_N, minlength=len(classes))
    least, most = int(count_C.argmin()), int(count_C.argmax())
    few, many = int(count_C[least]), int(count_C[most])
    if many < _UNEQUAL * few:
        return ""
    said = f"{name}: '{classes[most]}' has {many:,} training images, '{classes[least]}' {few:,}"
    return (
        f"{said}, weighed by task.class_weights"
        if weighted
        else (
            f"{said}: accuracy says little of rare classes; the report has it class by class, "
            "task.class_weights: balanced makes rare ones count more in training"
        )
    )


def weigh_classes(options: TaskOptions, labels_N: Tensor, classes: Sequence[str]) -> tuple[float, ...] | None:
    """How many times an image of each class counts in training, 1 on average over the images; None: all alike.

    Raises:
        SpecError: the study gives another number of weights than there are classes.
    """
    given = options.class_weights
    if given is None:
        return None
    count_C = torch.bincount(labels_N, minlength=len(classes)).double()
    if given == "balanced":
        weight_C = len(labels_N) / (len(classes) * count_C.clamp_min(1))
    elif len(given) != len(classes):
        raise SpecError(
            f"task.class_weights has {len(given)} numbers, the data have {len(classes)} classes; give one a class in "
            f"this order: {', '.join(classes[:5])}{', ..' if len(classes) > 5 else ''}"
        )
    else:
        weight_C = torch.tensor(given, dtype=torch.float64)
        weight_C = weight_C * count_C.sum() / (weight_C * count_C).sum()
    return tuple(weight_C.tolist())
