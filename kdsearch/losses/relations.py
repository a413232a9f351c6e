"""Losses on the relations between the samples of a batch: how alike, how far, at which angle.

Relations of n samples are n x n numbers whatever the width, so the student's and the teacher's widths may differ and
no layer has to bring them together. Maps are flattened. Values are means over all ordered pairs (or triples) of
samples, themselves included, which depend neither on the order nor, SP aside, on the size of the batch. Everything is
computed in float32 whatever comes in (float64 stays); no gradient reaches the teacher. Rows of zeros, equal rows and
constant batches have a gradient of zero where the formula has none.

B: batch, D and E: widths of the student and the teacher, V: vertices of angles.
"""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from kdsearch.losses.rows import full_precision, gram, lengths, unit_rows, widen_rows

Kernel = Literal["mmd", "bilinear", "rbf", "rbf_taylor"]

_AT_ONCE = 2**18  # how many angles are in memory at once; a batch of n takes n^2 at least
_ROUNDING = 16  # how many units in the last place the squared distance of equal rows may be off


def similarity_loss(student_BD: Tensor, teacher_BE: Tensor) -> Tensor:
    """SP: mean squared difference of the products of all pairs, rows of length 1 (Tung and Mori 2019, eq. 4).

    A row of the products of B samples has B numbers, so that the value falls as 1 / B.
    """
    student_BB, teacher_BB = (unit_rows(gram(rows)) for rows in _pair(student_BD, teacher_BE))
    return F.mse_loss(student_BB, teacher_BB)


def distance_loss(student_BD: Tensor, teacher_BE: Tensor) -> Tensor:
    """RKD-D: mean Huber loss of the distances of all pairs over their mean (Park et al. 2019, eq. 5 to 8).

    The mean is that of the distances above 0, as in the authors' code.
    """
    student_BB, teacher_BB = (_relative_distances(rows) for rows in _pair(student_BD, teacher_BE))
    return F.smooth_l1_loss(student_BB, teacher_BB)


def angle_loss(student_BD: Tensor, teacher_BE: Tensor) -> Tensor:
    """RKD-A: mean Huber loss of the cosines of the angles of all triples (Park et al. 2019, eq. 9 and 10).

    O(n^3) numbers are computed from the products of pairs, O(n^2) are held: the angles at a few vertices at a time,
    which the backward pass computes again. The cosine is 0 where a triple's vertex equals one of its ends.
    """
    student, teacher = (_products_and_inverses(rows) for rows in _pair(student_BD, teacher_BE))
    count = len(student_BD)
    total = student[0].new_zeros(())
    for vertex_V in torch.arange(count, device=student_BD.device).split(max(1, _AT_ONCE // count**2)):
        part = checkpoint(_angle_part, student, teacher, vertex_V, use_reentrant=False, preserve_rng_state=False)
        total = total + part
    return total / count**3


def correlation_loss(
    student_BD: Tensor, teacher_BE: Tensor, *, kernel: Kernel = "rbf", gamma: float = 0.4, order: int = 2
) -> Tensor:
    """CC: mean squared difference of the two correlation matrices (Peng et al. 2019, eq. 6).

    See ``correlation_matrix``. Gradients of gradients exist for the kernel mmd only.
    """
    student_BD, teacher_BE = _pair(student_BD, teacher_BE)
    with torch.no_grad():
        teacher_BB = correlation_matrix(teacher_BE, kernel=kernel, gamma=gamma, order=order)
    if kernel == "mmd":
        return F.mse_loss(correlation_matrix(student_BD, kernel=kernel), teacher_BB)
    return _Congruence.apply(student_BD, teacher_BB, kernel, gamma, order)


def correlation_matrix(features_BD: Tensor, *, kernel: Kernel = "rbf", gamma: float = 0.4, order: int = 2) -> Tensor:
    """BB: how alike any two samples are by a kernel (Peng et al. 2019, sec. 3.3).

    mmd |mean(x) - mean(y)|; bilinear x.y; rbf exp(-gamma |x - y|^2) = exp(2 gamma (x.y - 1)); rbf_taylor, its series in
    x.y up to the power ``order``: sum over p of e^(-2 gamma) (2 gamma)^p / p! (x.y)^p, which at gamma 0.4 and order 2
    is off by up to 0.05, and by more the larger gamma is. Rows are brought to length 1 first, for mmd to the length
    sqrt(D), so that means do not shrink with the width: the paper is silent on it, yet its series holds for rows of
    length 1 only, and only these can be compared across widths.

    Raises:
        ValueError: there is no such kernel, or the order is below 1.
    """
    if kernel not in get_args(Kernel) or order < 1:
        raise ValueError(f"kernel {kernel!r}, order {order}: known are {', '.join(get_args(Kernel))}, order 1 or more")
    unit_BD = unit_rows(widen_rows(features_BD))
    if kernel == "mmd":
        mean_B = unit_BD.mean(1) * math.sqrt(unit_BD.shape[1])
        return (mean_B[:, None] - mean_B).abs()
    return _matrix_and_slope(gram(unit_BD), kernel, gamma, order)[0]


class _Congruence(torch.autograd.Function):
    """``correlation_loss`` with its gradient written out: one n x n matrix to keep, and three products, not four.

    With unit rows U, correlation C = k(U U^T) and the teacher's T: dL/dU = 4 / n^2 ((C - T) * k') U.
    """

    @staticmethod
    def forward(ctx: Any, student_BD: Tensor, teacher_BB: Tensor, kernel: Kernel, gamma: float, order: int) -> Tensor:
        length_B1 = lengths(student_BD)
        unit_BD = student_BD / length_B1
        matrix_BB, slope_BB = _matrix_and_slope(gram(unit_BD), kernel, gamma, order)
        difference_BB = matrix_BB - teacher_BB
        value = difference_BB.square().mean()
        ctx.factor = 4 / teacher_BB.numel() * (1 if kernel == "bilinear" else 2 * gamma)
        ctx.save_for_backward(unit_BD, length_B1, difference_BB.mul_(slope_BB))
        return value

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:
        unit_BD, length_B1, pull_BB = ctx.saved_tensors
        with full_precision(unit_BD):
            of_unit_BD = pull_BB @ unit_BD
        along_B1 = (unit_BD * of_unit_BD).sum(1, keepdim=True)  # the part along the row, which normalising takes away
        of_student_BD = torch.addcmul(of_unit_BD, unit_BD, along_B1, value=-1)
        return of_student_BD.div_(length_B1).mul_(gradient * ctx.factor), None, None, None, None


def _matrix_and_slope(gram_BB: Tensor, kernel: Kernel, gamma: float, order: int) -> tuple[Tensor, Tensor]:
    """The kernel of these products, which may be overwritten, and its derivative: of the two rbf, over 2 gamma."""
    if kernel == "bilinear":
        return gram_BB, torch.ones_like(gram_BB)
    if kernel == "rbf":
        matrix_BB = gram_BB.sub_(1).mul_(2 * gamma).exp_()
        return matrix_BB, matrix_BB
    return _series(gram_BB, gamma, order)


def _series(gram_BB: Tensor, gamma: float, order: int) -> tuple[Tensor, Tensor]:
    """e^-z times the series of e^(zG) up to ``order``, z = 2 gamma, and the same up to the order below."""
    matrix_BB = lower_BB = term_BB = torch.full_like(gram_BB, math.exp(-2 * gamma))
    for power in range(1, order + 1):
        term_BB = (term_BB * gram_BB).mul_(2 * gamma / power)
        lower_BB, matrix_BB = matrix_BB, matrix_BB + term_BB
    return matrix_BB, lower_BB


def _pair(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    return widen_rows(student), widen_rows(teacher.detach())


def _relative_distances(rows_BD: Tensor) -> Tensor:
    square_BB, inverse_BB = _distances(gram(_centred(rows_BD)))
    distance_BB = square_BB * inverse_BB
    apart = (inverse_BB > 0).sum().clamp_min(1)
    return distance_BB / (distance_BB.sum() / apart).clamp_min(torch.finfo(rows_BD.dtype).eps ** 2)


def _products_and_inverses(rows_BD: Tensor) -> tuple[Tensor, Tensor]:
    gram_BB = gram(_centred(rows_BD))
    return gram_BB, _distances(gram_BB)[1]


def _centred(rows_BD: Tensor) -> Tensor:
    """Less the batch's mean: distances and angles stay, and differences of products lose fewer digits."""
    return rows_BD - rows_BD.mean(0)


def _distances(gram_BB: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distances of all pairs and the inverse of the distances; the inverse of equal rows' is 0."""
    own_B = gram_BB.diagonal()
    both_BB = own_B[:, None] + own_B
    square_BB = both_BB - 2 * gram_BB
    noise_BB = _ROUNDING * torch.finfo(gram_BB.dtype).eps * both_BB.detach()
    return square_BB, square_BB.masked_fill(square_BB <= noise_BB, math.inf).rsqrt()


def _angle_part(student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor], vertex_V: Tensor) -> Tensor:
    return F.smooth_l1_loss(_cosines(*student, vertex_V), _cosines(*teacher, vertex_V), reduction="sum")


def _cosines(gram_BB: Tensor, inverse_BB: Tensor, vertex_V: Tensor) -> Tensor:
    """VBB: (x_i - x_v) . (x_k - x_v) over both lengths, of the vertices v and all i, k."""
    to_vertex_VB, inverse_VB = gram_BB[vertex_V], inverse_BB[vertex_V]
    own_V11 = gram_BB.diagonal()[vertex_V][:, None, None]
    products_VBB = gram_BB - to_vertex_VB[:, :, None] - to_vertex_VB[:, None, :] + own_V11
    return products_VBB * inverse_VB[:, :, None] * inverse_VB[:, None, :]
