"""One step of SGD on crops of stored tensors: values and momentum outside the crop stay as they are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kdsearch.widths.crop import Index, put, take


@dataclass(frozen=True, slots=True)
class Descent:
    """One step of SGD with momentum (PyTorch's form): the learning rate, the momentum, the weight decay."""

    learning_rate: float
    momentum: float = 0.9
    weight_decay: float = 0.0
    clip_norm: float | None = None


def step_on_crop(
    stored: tuple[Tensor, Tensor], index: Index, gradient: Tensor, descent: Descent, *, decays: bool
) -> None:
    """Changes the crop of ``stored``, full values and full momentum, by one step; weight decay goes into the gradient.

    One tensor after the other, in place on views, so that a crop is still in the cache for its next operation. Measured
    on one CPU thread for ResNet-50 at 0.55 of its widths: 17 ms; foreach operations 27, the fused kernel on gapless
    copies 26 (a tensor at a time) or 37, and the fused kernel of a plain net of these widths, which has no gaps, 10.
    """
    value, momentum = (take(full, index) for full in stored)
    if decays and descent.weight_decay:
        gradient.add_(value, alpha=descent.weight_decay)
    torch.add(gradient, momentum, alpha=descent.momentum, out=momentum)
    value.add_(momentum, alpha=-descent.learning_rate)
    if any(isinstance(kept, Tensor) for kept in index):  # the crops are copies, so what changed is written back
        for full, crop in zip(stored, (value, momentum), strict=True):
            put(full, index, crop)


def dense_copy(tensor: Tensor) -> Tensor:
    """A copy without gaps, channels-last where that is defined: wide convolutions run faster so on a CPU."""
    return tensor.clone(memory_format=torch.channels_last if tensor.ndim == 4 else torch.contiguous_format)
