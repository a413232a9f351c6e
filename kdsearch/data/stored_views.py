"""Views of training images that are drawn once and kept, so that an image can be shown again exactly as it was.

N: images, V: views of each, B: batch, C: channels, H and W: pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kdsearch.data.augment import Extents, Views, draw_views, transform
from kdsearch.data.images import ImageSet
from kdsearch.data.mixing import Mixing, mix_images
from kdsearch.data.seeds import mix_seed
from kdsearch.spec.sections import Augmentation

_STREAM = 11  # the number of the random stream, which no other part uses
_SAMPLE = 1024  # images whose mean colour stands for all
_KINDS = {
    "part": np.float32,
    "corner": np.int16,
    "mirror": np.bool_,
    "hole": np.int16,
    "partner": np.int32,
    "own_share": np.float32,
    "box": np.int16,
}
_ALONE, _MIXING = ("part", "corner", "mirror", "hole"), ("partner", "own_share", "box")

Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class StoredViews:
    """V views of each of N images. ``columns``: what a view does by name, in row n V + v for view v of image n.

    A partner is a training image by its row, and is shown in its own view of the same number. What cutout covers has
    ``colour``, the same for all, since a batch's mean would make an image depend on those beside it.
    """

    columns: Columns
    views: int
    augmentation: Augmentation
    colour: tuple[int, ...]

    @classmethod
    def draw(cls, images: ImageSet, augmentation: Augmentation, *, views: int, seed: int) -> Self:
        """All views of all images, from the seed alone; every view mixes an image with a partner of its own."""
        drawn = []
        for view in range(views):
            generator = torch.Generator().manual_seed(mix_seed(seed, view, 0, _STREAM))
            drawn.append(_columns(draw_views(len(images), augmentation, _size(images.images_NCHW), generator)))
        stacked = {name: np.stack([columns[name] for columns in drawn], axis=1) for name in drawn[0]}
        flat = {name: column.reshape(-1, *column.shape[2:]) for name, column in stacked.items()}
        return cls(flat, views, augmentation, _mean_colour(images))

    def check(self, count: int, augmentation: Augmentation) -> None:
        """Whether these are views of ``count`` images by this augmentation.

        Raises:
            ValueError: they are not.
        """
        rows = {len(column) for column in self.columns.values()}
        if augmentation != self.augmentation or rows - {count * self.views}:
            raise ValueError(f"stored views are of {rows} rows by {self.augmentation}, not {count} by {augmentation}")

    def show(
        self, images_NCHW: Tensor, rows_B: Tensor, views_B: Tensor, device: torch.device
    ) -> tuple[Tensor, Mixing | None]:
        """Pixels 0..255 of these images in these views (uint8, float32 where mixed), and what they are mixed with.

        ``rows_B`` and ``views_B`` are on the CPU, and so is the mixing, whose partners are rows of ``images_NCHW``.
        What is shown of an image does not depend on the rest of the batch.
        """
        mixing = self._mixing(rows_B, views_B)
        rows, views = rows_B, views_B
        if mixing is not None:
            rows, views = torch.cat([rows, mixing.partner_B]), views.repeat(2)
        images = images_NCHW.index_select(0, rows.to(images_NCHW.device)).to(device, non_blocking=True)
        pixels = transform(images, self._alone(rows, views, Extents.of(self.augmentation, _size(images))))
        if mixing is None:
            return pixels, None
        own, partners = pixels.chunk(2)
        return mix_images(own, partners, mixing), mixing

    def _mixing(self, rows_B: Tensor, views_B: Tensor) -> Mixing | None:
        if "partner" not in self.columns:
            return None
        at_B = (rows_B * self.views + views_B).numpy()
        partner, share, box = (torch.from_numpy(self.columns[name].take(at_B, 0)) for name in _MIXING)
        return Mixing(partner.long(), share, box.long())

    def _alone(self, rows_B: Tensor, views_B: Tensor, extents: Extents) -> Views:
        """What happens to each image before it is mixed."""
        at_B = (rows_B * self.views + views_B).numpy()
        found = {name: self.columns[name].take(at_B, 0) for name in _ALONE if name in self.columns}
        part, mirror = (torch.from_numpy(found[name]) if name in found else None for name in ("part", "mirror"))
        corner, hole = (_pair(found[name]) if name in found else None for name in ("corner", "hole"))
        return Views(extents, part, corner, mirror, hole, colour=self.colour)


def _columns(views: Views) -> dict[str, NDArray[Any]]:
    """What is there of the views, each number as small as it may be."""
    mixing = views.mixing
    found: dict[str, Tensor | None] = {
        "part": views.part_B4,
        "corner": None if views.corner_B2 is None else torch.stack(views.corner_B2, 1),
        "mirror": views.mirror_B,
        "hole": None if views.hole_B2 is None else torch.stack(views.hole_B2, 1),
        "partner": None if mixing is None else mixing.partner_B,
        "own_share": None if mixing is None else mixing.own_share_B,
        "box": None if mixing is None else mixing.box_B4,
    }
    return {name: column.numpy().astype(_KINDS[name]) for name, column in found.items() if column is not None}


def _pair(column_B2: NDArray[Any]) -> tuple[Tensor, Tensor]:
    down, across = torch.from_numpy(column_B2.astype(np.int64)).unbind(1)
    return down, across


def _mean_colour(images: ImageSet) -> tuple[int, ...]:
    rows = torch.linspace(0, len(images) - 1, min(len(images), _SAMPLE), dtype=torch.float64).long()
    means = images.images_NCHW.index_select(0, rows).double().mean((0, 2, 3))
    return tuple(round(mean) for mean in means.tolist())


def _size(images_BCHW: Tensor) -> tuple[int, int]:
    return int(images_BCHW.shape[2]), int(images_BCHW.shape[3])
