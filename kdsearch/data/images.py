"""Labelled images as they lie in memory, and what a source of images offers before they are decoded.

N: images, C: channels (of targets: classes), H and W: pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class ImageSet:
    """Images as uint8, which may be a memory-mapped file, and a label of each: a class (int64), or another.

    Labels that are no classes are float32, N or N x anything. ``targets_NC``: where somebody knows more than the label,
    how likely each class is (float32): what nets then learn, and are judged by, in its place.
    """

    images_NCHW: Tensor
    labels_N: Tensor
    targets_NC: Tensor | None = None

    def __post_init__(self) -> None:
        if self.images_NCHW.dtype != torch.uint8 or self.images_NCHW.ndim != 4:
            raise ValueError(f"images must be uint8 NCHW, got {self.images_NCHW.dtype} {tuple(self.images_NCHW.shape)}")
        labels = self.labels_N
        kind = labels.dtype == torch.float32 or (labels.dtype == torch.int64 and labels.ndim == 1)
        if not kind or labels.shape[:1] != self.images_NCHW.shape[:1]:
            raise ValueError(
                f"labels must be {len(self.images_NCHW)} of int64 or float32, got {labels.dtype} {tuple(labels.shape)}"
            )
        targets = self.targets_NC
        if targets is not None and (targets.dtype != torch.float32 or targets.shape[:-1] != labels.shape):
            raise ValueError(
                f"targets must be {len(labels)} rows of float32, got {targets.dtype} {tuple(targets.shape)}"
            )

    def __len__(self) -> int:
        return len(self.labels_N)

    def subset(self, indices: Tensor) -> ImageSet:
        """The images of these indices, copied."""
        targets_NC = None if self.targets_NC is None else self.targets_NC.index_select(0, indices)
        return ImageSet(self.images_NCHW.index_select(0, indices), self.labels_N.index_select(0, indices), targets_NC)

    @property
    def learned(self) -> Tensor:
        """What a net learns of each image: its target where it has one, else its label."""
        return self.labels_N if self.targets_NC is None else self.targets_NC


class LateTest:
    """A part that is read when it is first asked for, and once."""

    def __init__(self, load: Callable[[], ImageSet]) -> None:
        self._load = load
        self._found: ImageSet | None = None

    def read(self) -> ImageSet:
        """The images and labels."""
        if self._found is None:
            self._found = self._load()
        return self._found


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
