"""Labelled images as they lie in memory, and what a source of images offers before they are decoded.

N: images, C: channels, H and W: pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class ImageSet:
    """Images as uint8, which may be a memory-mapped file, and a label of each: a class (int64), or another.

    Labels that are no classes are float32, N or N x anything.
    """

    images_NCHW: Tensor
    labels_N: Tensor

    def __post_init__(self) -> None:
        if self.images_NCHW.dtype != torch.uint8 or self.images_NCHW.ndim != 4:
            raise ValueError(f"images must be uint8 NCHW, got {self.images_NCHW.dtype} {tuple(self.images_NCHW.shape)}")
        labels = self.labels_N
        kind = labels.dtype == torch.float32 or (labels.dtype == torch.int64 and labels.ndim == 1)
        if not kind or labels.shape[:1] != self.images_NCHW.shape[:1]:
            raise ValueError(
                f"labels must be {len(self.images_NCHW)} of int64 or float32, got {labels.dtype} {tuple(labels.shape)}"
            )

    def __len__(self) -> int:
        return len(self.labels_N)

    def subset(self, indices: Tensor) -> ImageSet:
        """The images of these indices, copied."""
        return ImageSet(self.images_NCHW.index_select(0, indices), self.labels_N.index_select(0, indices))


@dataclass(frozen=True, slots=True)
class Taken:
    """Images that a pool gave: all of those asked for, or the ``kept`` places among them and what is ``broken``.

    ``broken`` has a line for each image that is left out.
    """

    images_NCHW: Tensor
    kept: Tensor | None = None
    broken: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pool:
    """Images that are still where the source has them: their labels, and ``take``, which decodes those asked for."""

    labels_N: Tensor
    take: Callable[[Tensor], Taken]


@dataclass(frozen=True, slots=True)
class Source:
    """What a data set brings: a training part and, where it has them, validation and test parts.

    ``notes``: what somebody who looks at results should know of it.
    """

    name: str
    classes: tuple[str, ...]
    train: Pool
    validation: Pool | None = None
    test: Pool | None = None
    notes: tuple[str, ...] = ()
