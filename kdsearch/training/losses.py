"""Losses, in nats.

B: batch, C: classes.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def cross_entropy(logits_BC: Tensor, label_B: Tensor, smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy; ``smoothing`` of the target is spread over all classes (Szegedy et al. 2016, sec. 7)."""
    return F.cross_entropy(logits_BC.float(), label_B, label_smoothing=smoothing)


def kd_loss(student_BC: Tensor, teacher_BC: Tensor, temperature: float = 1.0) -> Tensor:
    """tau^2 KL(teacher || student) of the logits softened by the temperature tau, a mean (Hinton et al. 2015, sec. 2).

    tau^2 keeps the gradient's size as tau changes.
    """
    student = F.log_softmax(student_BC.float() / temperature, dim=1)
    teacher = F.log_softmax(teacher_BC.float() / temperature, dim=1)
    return F.kl_div(student, teacher, reduction="batchmean", log_target=True) * temperature**2
