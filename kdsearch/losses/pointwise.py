"""Losses on the answer of a net and on single tensors of it; entropies and divergences in nats.

Every loss is a mean over the batch, computed in float32 whatever comes in (float64 stays), and finite where a net is
certain. No gradient reaches the teacher. Relations between samples are in ``relations.py``.

B: batch, C: classes (of logits) or channels (of maps), D: channels of the teacher's maps, H and W: height and width.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from kdsearch.errors import SpecError
from kdsearch.losses.rows import centred_unit_rows, unit_rows, widen, widen_rows


def cross_entropy(
    logits_BC: Tensor, label: Tensor, smoothing: float = 0.0, class_weight_C: Tensor | None = None
) -> Tensor:
    """Mean cross-entropy; ``smoothing`` of the target is spread over all classes (Szegedy et al. 2016, sec. 7).

    ``label``: B classes, or BC shares of the classes, which mixed images have. ``class_weight_C``: how many times an
    image counts; one of several classes, the mean of theirs by its shares. torch's ``weight`` divides by a batch's sum
    of weights, so that there an image's pull depends on which others it meets.
    """
    logits_BC = widen(logits_BC)
    target = label.to(logits_BC.dtype) if label.is_floating_point() else label
    if class_weight_C is None:
        return F.cross_entropy(logits_BC, target, label_smoothing=smoothing)
    weight_C = class_weight_C.to(logits_BC)
    weight_B = target @ weight_C if label.is_floating_point() else weight_C[target]
    return (weight_B * F.cross_entropy(logits_BC, target, label_smoothing=smoothing, reduction="none")).mean()


def kd_loss(student_BC: Tensor, teacher_BC: Tensor, temperature: float = 1.0, *, standardize: bool = False) -> Tensor:
    """tau^2 KL(teacher || student) of the logits softened by the temperature tau, a mean (Hinton et al. 2015, sec. 2).

    tau^2 keeps the gradient's size as tau changes. ``standardize``: each image's logits less their mean over their
    standard deviation come first, so that the student owes the order and the spacing, not the scale (Sun et al. 2024,
    alg. 1); equal logits become zeros.
    """
    student, teacher = _pair("kd", student_BC, teacher_BC)
    if standardize:
        deviations = math.sqrt(student.shape[1])  # the length of a row whose standard deviation is 1
        student, teacher = centred_unit_rows(student) * deviations, centred_unit_rows(teacher) * deviations
    return _divergence(F.log_softmax(student / temperature, 1), F.log_softmax(teacher / temperature, 1), temperature)


def dkd_loss(
    student_BC: Tensor,
    teacher_BC: Tensor,
    label_B: Tensor,
    *,
    alpha: float = 1.0,
    beta: float = 8.0,
    temperature: float = 4.0,
) -> Tensor:
    """tau^2 (alpha TCKD + beta NCKD), the two parts of ``kd_loss`` with weights of their own (Zhao et al. 2022, eq. 7).

    TCKD: divergence of (the label's class, all others); NCKD: divergence among the others, which ``kd_loss`` weighs by
    how unsure the teacher is. The others' share is a difference of two logsumexp: the logarithm of a sum of
    probabilities would be that of 0 as soon as a net is certain.
    """
    student, teacher = _pair("dkd", student_BC, teacher_BC)
    student_B2, student_BD = _decouple(student / temperature, label_B)
    teacher_B2, teacher_BD = _decouple(teacher / temperature, label_B)
    target = _divergence(student_B2, teacher_B2, temperature)
    return alpha * target + beta * _divergence(student_BD, teacher_BD, temperature)


def dist_loss(
    student_BC: Tensor, teacher_BC: Tensor, *, beta: float = 1.0, gamma: float = 1.0, temperature: float = 4.0
) -> Tensor:
    """beta (1 - r within images) + gamma (1 - r within classes) of the probabilities (Huang et al. 2022, eq. 7 to 10).

    r: Pearson's correlation of the student's and the teacher's softened probabilities, a mean over images and over
    classes; each part is between 0 and 2. As in the paper there is no tau^2, which the authors' code has: r does not
    depend on scale, so its gradient does not shrink as tau grows. Their settings (beta 2, gamma 2, tau 4) are
    32 times this loss at beta 1, gamma 1. Where only one of the two is constant, 1 - r is 1/2; where both are, 0.
    """
    student, teacher = _pair("dist", student_BC, teacher_BC)
    student, teacher = F.softmax(student / temperature, 1), F.softmax(teacher / temperature, 1)
    return beta * _pearson_distance(student, teacher) + gamma * _pearson_distance(student.T, teacher.T)


def hint_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of two tensors of one shape (Romero et al. 2015, eq. 3, a mean instead of a sum).

    Raises:
        SpecError: the shapes differ.
    """
    return F.mse_loss(*_pair("hint", student, teacher))


def attention_loss(student_BCHW: Tensor, teacher_BDHW: Tensor) -> Tensor:
    """Mean squared difference of the maps of attention, each of length 1 (Zagoruyko and Komodakis 2017, eq. 2).

    Attention is the mean square over the channels; of maps that differ in size, the larger is averaged to the smaller
    along that axis. As in the authors' code it is squared and a mean, also over the places: the paper's norm has no
    gradient that ends at 0.
    """
    student_BHW, teacher_BHW = (widen(maps).square().mean(1) for maps in (student_BCHW, teacher_BDHW.detach()))
    (height, width), (other_height, other_width) = student_BHW.shape[1:], teacher_BHW.shape[1:]
    size = min(height, other_height), min(width, other_width)
    student_BP, teacher_BP = (
        unit_rows(widen_rows(F.adaptive_avg_pool2d(maps, size))) for maps in (student_BHW, teacher_BHW)
    )
    return F.mse_loss(student_BP, teacher_BP)


def _pair(term: str, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Both in full precision, the teacher's without gradient."""
    if student.shape != teacher.shape:
        shapes = f"the student gives {tuple(student.shape)}, the teacher {tuple(teacher.shape)}"
        raise SpecError(f"{term}: {shapes}; it compares tensors of one shape: tap others")
    return widen(student), widen(teacher.detach())


def _divergence(student_log_BC: Tensor, teacher_log_BC: Tensor, temperature: float) -> Tensor:
    return F.kl_div(student_log_BC, teacher_log_BC, reduction="batchmean", log_target=True) * temperature**2


def _decouple(logits_BC: Tensor, label_B: Tensor) -> tuple[Tensor, Tensor]:
    """Logarithms of the probabilities of (the label's class, all others), B2, and of each of the others among them."""
    label_B1 = label_B[:, None]
    place_D = torch.arange(logits_BC.shape[1] - 1, device=logits_BC.device)
    others_BD = logits_BC.gather(1, place_D + (place_D >= label_B1))
    both_B2 = torch.cat((logits_BC.gather(1, label_B1), others_BD.logsumexp(1, keepdim=True)), 1)
    return F.log_softmax(both_B2, 1), F.log_softmax(others_BD, 1)


def _pearson_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """1 - r of each pair of rows, a mean, as half the squared distance of their directions: exactly 0 at r = 1."""
    return (centred_unit_rows(student) - centred_unit_rows(teacher)).square().sum(1).mean() / 2
