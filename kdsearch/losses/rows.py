"""Rows of a batch in full precision: of unit length, about their mean, and multiplied with each other.

B: batch, D: width.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

_LEAST = 1e-18  # a shorter row has no direction: it becomes zeros, and no gradient flows through it
_ROUNDING = 8  # how many units in the last place the mean of equal numbers may be off


def widen(tensor: Tensor) -> Tensor:
    """The tensor in float32, or as it is if that is wider: a difference of two bfloat16 numbers has few digits left."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def widen_rows(tensor: Tensor) -> Tensor:
    """BD: one row for each sample, of whatever shape it is, in full precision."""
    return widen(tensor).flatten(1)


def lengths(rows_BD: Tensor) -> Tensor:
    """B1: Euclidean lengths, infinite for a row without direction, so that dividing by it gives zeros."""
    return F.threshold(torch.linalg.vector_norm(rows_BD, dim=1, keepdim=True), _LEAST, math.inf)


def unit_rows(rows_BD: Tensor) -> Tensor:
    """Each row divided by its length; a row of zeros stays, with a gradient of zero where the formula has none."""
    return rows_BD / lengths(rows_BD)


def centred_unit_rows(rows_BD: Tensor) -> Tensor:
    """Each row less its mean, divided by its length: the product of two such rows is Pearson's correlation.

    A constant row becomes zeros, without gradient; constant means up to the rounding of its mean.
    """
    centred_BD = rows_BD - rows_BD.mean(1, keepdim=True)
    length_B1 = lengths(centred_BD)
    rounding = _ROUNDING * torch.finfo(rows_BD.dtype).eps
    noise_B1 = rounding * torch.linalg.vector_norm(rows_BD.detach(), dim=1, keepdim=True)
    return centred_BD / length_B1.masked_fill(length_B1 <= noise_B1, math.inf)


def gram(rows_BD: Tensor) -> Tensor:
    """BB: products of all pairs of rows."""
    with full_precision(rows_BD):
        return rows_BD @ rows_BD.T


def full_precision(tensor: Tensor) -> AbstractContextManager[Any]:
    """Products inside are computed in their tensors' own precision, also under autocast."""
    kind = tensor.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()
