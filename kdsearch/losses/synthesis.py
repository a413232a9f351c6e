"""What images made without data are made to lower: how a teacher answers them, and what its layers see.

Each loss is computed in float32 whatever comes in (float64 stays). Gradients flow through the teacher's answer to the
images, and never change a teacher that is frozen.

B: batch, C: classes for logits, channels for images and maps, D: numbers of a feature, H and W: pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from kdsearch.losses.rows import widen


def one_hot_loss(teacher_BC: Tensor) -> Tensor:
    """Cross-entropy in nats of the teacher's answers against its own choices (Chen et al. 2019, eq. 3)."""
    logits_BC = widen(teacher_BC)
    return F.cross_entropy(logits_BC, logits_BC.argmax(1))


def information_entropy_loss(teacher_BC: Tensor, *, base: float = 10.0) -> Tensor:
    """Minus the entropy of the batch-mean class distribution (Chen et al. 2019, eq. 5): low where classes are balanced.

    Between -log C and 0. The paper's weights go with the logarithm of its code, ``base`` 10: -1 for ten classes.
    """
    share_C = F.softmax(widen(teacher_BC), 1).mean(0)
    # 0 log 0 is 0: a class that nothing is of has a share that underflows
    return (share_C * share_C.clamp_min(torch.finfo(share_C.dtype).tiny).log()).sum() / math.log(base)


def activation_loss(feature_BD: Tensor) -> Tensor:
    """Minus the mean size of the numbers that the teacher's classifier reads (Chen et al. 2019, eq. 4)."""
    return -widen(feature_BD).abs().mean()


def batch_norm_distance(map_BC: Tensor, mean_C: Tensor, variance_C: Tensor) -> Tensor:
    """How far the statistics of a batch are from those that a batch norm keeps (Yin et al. 2020, eq. 4).

    The length of the difference of the means plus that of the variances, over batch and places. ``map_BC``: what the
    layer reads, BC or BC with any dimensions of places.
    """
    map_BC = widen(map_BC)
    over = [at for at in range(map_BC.ndim) if at != 1]
    found_C, spread_C = map_BC.mean(over), map_BC.var(over, correction=0)
    return (found_C - mean_C.to(map_BC.dtype)).norm() + (spread_C - variance_C.to(map_BC.dtype)).norm()


def batch_norm_loss(distances: Sequence[Tensor]) -> Tensor:
    """The sum of ``batch_norm_distance`` over a teacher's batch norms."""
    return torch.stack(list(distances)).sum()


def disagreement_loss(student_BC: Tensor, teacher_BC: Tensor) -> Tensor:
    """Minus the mean absolute difference of the two nets' logits (Fang et al. 2019, eq. 3): low where they disagree."""
    return -(widen(student_BC) - widen(teacher_BC)).abs().mean()


def total_variation_loss(image_BCHW: Tensor) -> Tensor:
    """The mean absolute difference of neighbouring pixels, across plus down: low for smooth images."""
    image_BCHW = widen(image_BCHW)
    across = (image_BCHW[..., 1:] - image_BCHW[..., :-1]).abs().mean()
    down = (image_BCHW[..., 1:, :] - image_BCHW[..., :-1, :]).abs().mean()
    return across + down
