"""Training batches that can be taken up again at any step.

N: images, B: batch, C: channels for images, classes for targets, H and W: pixels.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from kdsearch.data.augment import apply_views, draw_views, normalise
from kdsearch.data.images import ImageSet
from kdsearch.data.mixing import is_mixing, mix_labels
from kdsearch.data.seeds import mix_seed
from kdsearch.errors import DataError
from kdsearch.spec.sections import Augmentation

_DEVICE_SHARE = 0.25  # the share of a GPU's free memory that the images may take; larger ones stay in the computer's


class Batches:
    """Batches of a training part; ``len()`` is the steps of an epoch. Images short of a last full batch wait an epoch.

    The order depends on (seed, epoch) and a batch's augmentation on (seed, epoch, step) alone, so a training that was
    interrupted sees the same batches as one that was not. Where the augmentation mixes images, labels become targets
    (BC float32), which takes ``num_classes``; images that have targets show those.

    Raises:
        DataError: there are fewer images than one batch takes.
    """

    def __init__(  # noqa: PLR0913 - what a batch depends on, all of it
        self,
        images: ImageSet,
        *,
        batch_size: int,
        seed: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        augmentation: Augmentation | None,
        device: torch.device,
        num_classes: int | None = None,
    ) -> None:
        if len(images) < batch_size:
            raise DataError(
                f"the training part has {len(images)} images, a batch takes {batch_size}; lower batch_size to "
                f"{len(images)} or less"
            )
        if augmentation is not None and is_mixing(augmentation) and num_classes is None:
            raise ValueError("mixup and cutmix make targets, which need num_classes")
        self.batch_size = batch_size
        self._num_classes = num_classes or 0
        self._seed, self._mean, self._std = seed, mean, std
        self._augmentation, self._device = augmentation, device
        self._images_NCHW, self._labels_N = place_images(images.images_NCHW, device), images.learned.to(device)

    def __len__(self) -> int:
        return len(self._labels_N) // self.batch_size

    def epoch(self, number: int, start_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """(images float32 BCHW, labels B or targets BC) of epoch ``number`` from ``start_step`` on, on the device."""
        generator = torch.Generator().manual_seed(mix_seed(self._seed, number))
        order = torch.randperm(len(self._labels_N), generator=generator).to(self._images_NCHW.device)
        for step in range(start_step, len(self)):
            rows = order[step * self.batch_size : (step + 1) * self.batch_size]
            images = self._images_NCHW.index_select(0, rows).to(self._device, non_blocking=True)
            labels = self._labels_N.index_select(0, rows.to(self._device))
            if self._augmentation is not None:
                generator.manual_seed(mix_seed(self._seed, number, step))
                images, labels = self._augment(images, labels, self._augmentation, generator)
            yield normalise(images, self._mean, self._std), labels

    def _augment(
        self, images_BCHW: Tensor, label_B: Tensor, options: Augmentation, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        height, width = images_BCHW.shape[2:]
        views = draw_views(len(images_BCHW), options, (height, width), generator)
        images = apply_views(images_BCHW, views)
        if views.mixing is None:
            return images, label_B
        partners_B = label_B[views.mixing.partner_B.to(label_B.device)]
        return images, mix_labels(label_B, partners_B, views.mixing.own_share_B, self._num_classes)


def place_images(images_NCHW: Tensor, device: torch.device) -> Tensor:
    """The images on the GPU where they take a modest share of it, else where they are."""
    if device.type != "cuda":
        return images_NCHW
    free, _ = torch.cuda.mem_get_info(device)
    return images_NCHW.to(device) if images_NCHW.numel() <= _DEVICE_SHARE * free else images_NCHW
