"""Training batches for a student that a teacher accompanies: they say which image each row shows, and in which view.

N: images, B: batch, C: channels for images, classes for targets, H and W: pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from kdsearch.data.augment import apply_views, draw_views, normalise
from kdsearch.data.batches import place_images
from kdsearch.data.images import ImageSet
from kdsearch.data.mixing import Mixing, mix_labels
from kdsearch.data.seeds import mix_seed
from kdsearch.data.stored_views import StoredViews
from kdsearch.spec.sections import Augmentation

if TYPE_CHECKING:
    from kdsearch.data.samplers import Sampler

_OFFSETS = 13  # the stream of random numbers that decides which view of an image comes first


class ViewBatch(NamedTuple):
    """A batch on its device; ``rows_B`` and ``views_B`` are on the CPU, where stored answers are looked up.

    ``images_BCHW``: float32, normalised for the student. ``labels``: B int64, or BC float32 targets where images are
    mixed or have some. ``pixels_BCHW``: 0..255 (uint8, float32 where mixed), for a teacher's own normalisation.
    ``rows_B``: the images' rows in the training part. ``views_B``: which stored view each is; None where views are
    drawn afresh.
    """

    images_BCHW: Tensor
    labels: Tensor
    pixels_BCHW: Tensor
    rows_B: Tensor
    views_B: Tensor | None


class ViewBatches:
    """Batches of a training part in a sampler's order; ``len()`` is the steps of an epoch.

    ``views``: how many views of each image are stored, or those stored already; epoch e shows an image in its view
    (a + e) mod V, where a is drawn for each image, so V epochs show each view once. None: views are drawn afresh for
    every batch. Batches depend on (seed, epoch, step) alone, whichever step an epoch is taken up at.

    Raises:
        ValueError: stored views are of another number of images, or of another augmentation than the one given.
    """

    def __init__(  # noqa: PLR0913 - what a batch depends on, all of it
        self,
        images: ImageSet,
        *,
        num_classes: int,
        views: StoredViews | int | None,
        sampler: Sampler,
        seed: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        augmentation: Augmentation,
        device: torch.device,
    ) -> None:
        if isinstance(views, int):
            views = StoredViews.draw(images, augmentation, views=views, seed=seed)
        if views is not None:
            views.check(len(images), augmentation)
        self.batch_size = sampler.batch_size
        self._sampler, self._seed, self._num_classes = sampler, seed, num_classes
        self._mean, self._std, self._augmentation, self._device = mean, std, augmentation, device
        self._images_NCHW, self._labels_N = place_images(images.images_NCHW, device), images.learned.cpu()
        self._stored = views
        generator = torch.Generator().manual_seed(mix_seed(seed, 0, 0, _OFFSETS))
        self._first_N = torch.randint(1 if views is None else views.views, (len(images),), generator=generator)

    def __len__(self) -> int:
        return len(self._sampler)

    def epoch(self, number: int, start_step: int = 0) -> Iterator[ViewBatch]:
        """The batches of epoch ``number`` from ``start_step`` on."""
        for step, rows_B in enumerate(self._sampler.batches(number)[start_step:], start_step):
            if self._stored is None:
                yield self._fresh(rows_B, mix_seed(self._seed, number, step))
            else:
                yield self._kept(self._stored, rows_B, number)

    def _fresh(self, rows_B: Tensor, seed: int) -> ViewBatch:
        images = self._images_NCHW.index_select(0, rows_B.to(self._images_NCHW.device)).to(self._device)
        height, width = images.shape[2:]
        generator = torch.Generator().manual_seed(seed)
        views = draw_views(len(images), self._augmentation, (height, width), generator)
        mixing = views.mixing
        if mixing is not None:
            mixing = replace(mixing, partner_B=rows_B[mixing.partner_B])
        return self._batch(apply_views(images, views), rows_B, None, mixing)

    def _kept(self, stored: StoredViews, rows_B: Tensor, epoch: int) -> ViewBatch:
        views_B = (self._first_N[rows_B] + epoch) % stored.views
        pixels, mixing = stored.show(self._images_NCHW, rows_B, views_B, self._device)
        return self._batch(pixels, rows_B, views_B, mixing)

    def _batch(self, pixels_BCHW: Tensor, rows_B: Tensor, views_B: Tensor | None, mixing: Mixing | None) -> ViewBatch:
        """``mixing`` has its partners as rows of the training part."""
        labels = self._labels_N[rows_B]
        if mixing is not None:
            labels = mix_labels(labels, self._labels_N[mixing.partner_B], mixing.own_share_B, self._num_classes)
        images_BCHW = normalise(pixels_BCHW, self._mean, self._std)
        return ViewBatch(images_BCHW, labels.to(self._device, non_blocking=True), pixels_BCHW, rows_B, views_B)
