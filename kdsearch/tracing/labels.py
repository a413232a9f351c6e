"""Labels: which channel unit each element of a tensor belongs to.

A label is an int64 tensor with the dimensions of the tensor it belongs to, of size 1 along those that carry no channel
identity; None is a tensor without units. Operations that move data are applied to the label itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import torch
from torch import Tensor

Label = Tensor | None


def no_units(*shape: int) -> Tensor:
    """The label of places that belong to no unit; on the CPU, wherever the net is being run."""
    return torch.zeros(shape, dtype=torch.int64, device="cpu")


def varying(label: Tensor) -> list[int]:
    """The dimensions along which the label tells units apart."""
    return [dim for dim, size in enumerate(label.shape) if size > 1]


def compress(label: Tensor) -> Tensor:
    """The label with size 1 along every dimension in which it is constant."""
    for dim, size in enumerate(label.shape):
        if size > 1:
            first = label.narrow(dim, 0, 1)
            if bool((label == first).all()):
                label = first
    return label


def along(label: Label, dim: int) -> Label:
    """The units along one dimension as a vector; None where the label does not vary along it alone."""
    if label is None or label.ndim == 0:
        return None
    dim %= label.ndim
    if any(other != dim for other in varying(label)):
        return None
    return label.reshape(-1)


@overload
def lay(units: Tensor, dim: int, ndim: int) -> Tensor: ...
@overload
def lay(units: Label, dim: int, ndim: int) -> Label: ...
def lay(units: Label, dim: int, ndim: int) -> Label:
    """A label with these units along one dimension of ``ndim``."""
    if units is None:
        return None
    shape = [1] * ndim
    shape[dim % ndim] = -1
    return units.reshape(shape)


def spread(label: Label, shape: Sequence[int], dims: Sequence[int] | None = None) -> Tensor:
    """The label at full size along ``dims`` (all by default), zeros for a tensor without units."""
    if label is None:
        label = no_units(*[1] * len(shape))
    if dims is None:
        return label.expand(list(shape))
    wanted = [size if dim in dims else label.shape[dim] for dim, size in enumerate(shape)]
    return label.expand(wanted)


def aligned(label: Label, ndim: int) -> Tensor:
    """The label with leading dimensions added up to ``ndim``, zeros for a tensor without units."""
    if label is None:
        return no_units(*[1] * ndim)
    return label.reshape([1] * (ndim - label.ndim) + list(label.shape))
