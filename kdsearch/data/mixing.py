"""Mixup and cutmix: two training images in one, and the label that goes with it.

B: batch, C: channels for images, classes for targets, H and W: pixels, 4: a box's top, left, bottom and right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from kdsearch.spec.sections import Augmentation


@dataclass(frozen=True, slots=True)
class Mixing:
    """What each image is mixed with: where its partner stands, its own share of the mixture, and the partner's box.

    The partner fills its box (rows top to bottom - 1); an image whose box is empty is blended with it instead.
    """

    partner_B: Tensor
    own_share_B: Tensor
    box_B4: Tensor


def is_mixing(options: Augmentation) -> bool:
    """Whether the options make targets out of labels."""
    return options.mixup > 0 or options.cutmix > 0


def draw_mixing(
    count: int, options: Augmentation, image_size: tuple[int, int], generator: torch.Generator
) -> Mixing | None:
    """A partner and a share for each of ``count`` images that stand side by side; None if the options mix nothing.

    Mixup blends with a share from Beta(alpha, alpha) (Zhang et al. 2018, eq. 1); cutmix pastes a box of the partner,
    whose area is one minus such a share and which is clipped to the image (Yun et al. 2019, eq. 2). With both each
    image has one of them with equal chance. Unlike the papers, every image has a share of its own, and a partner that
    is any of the other images.
    """
    if not is_mixing(options):
        return None
    seed = int(torch.randint(2**62, (), generator=generator))
    rng = np.random.default_rng(seed)  # torch draws from no Beta distribution with a generator of one's own
    partner = (np.arange(count) + 1 + rng.integers(max(count - 1, 1), size=count)) % count
    pastes = rng.random(count) < (0.5 if options.mixup > 0 and options.cutmix > 0 else float(options.cutmix > 0))
    alpha = np.where(pastes, options.cutmix, options.mixup)
    share = rng.beta(alpha, alpha)
    start, end = _draw_boxes(np.where(pastes, share, 1.0), image_size, rng)  # a share of 1 leaves an empty box
    left = 1 - np.prod(end - start, axis=1) / (image_size[0] * image_size[1])
    own_share = np.where(pastes, left, share).astype(np.float32)
    return Mixing(*(torch.from_numpy(found) for found in (partner, own_share, np.concatenate([start, end], axis=1))))


def _draw_boxes(
    share: NDArray[np.float64], image_size: tuple[int, int], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where boxes start and end, down and across: a centre anywhere, and sides of sqrt(1 - share) of the image's."""
    half = (np.sqrt(1 - share)[:, None] * image_size).astype(np.int64) // 2
    centre = rng.integers(image_size, size=half.shape)
    return np.maximum(centre - half, 0), np.minimum(centre + half, image_size)


def mix_images(images_BCHW: Tensor, partners_BCHW: Tensor, mixing: Mixing) -> Tensor:
    """Float32 pixels 0..255: each image with its partner, given in the second tensor, in it."""
    device = images_BCHW.device
    height, width = images_BCHW.shape[2:]
    blended_B = torch.where(mixing.box_B4[:, 2] > mixing.box_B4[:, 0], 1.0, mixing.own_share_B).to(device)
    box_B4 = mixing.box_B4.to(device).unsqueeze(2)
    place = torch.arange(max(height, width), device=device)
    inside = ((place >= box_B4[:, :2]) & (place < box_B4[:, 2:])).float()  # first the rows, then the columns of the box
    pasted_BHW = (blended_B.view(-1, 1, 1) * inside[:, 0, :height].unsqueeze(2)) * inside[:, 1, :width].unsqueeze(1)
    share_B1HW = (blended_B.view(-1, 1, 1) - pasted_BHW).unsqueeze(1)
    return torch.lerp(partners_BCHW.float(), images_BCHW.float(), share_B1HW)


def mix_labels(label_B: Tensor, partner_label_B: Tensor, own_share_B: Tensor, num_classes: int) -> Tensor:
    """BC float32 targets: each image's class has its own share, its partner's class the rest.

    Labels may be targets (BC) already.
    """
    share_B1 = own_share_B.to(label_B.device).unsqueeze(1)
    own_BC, other_BC = (
        F.one_hot(labels, num_classes).float() if labels.ndim == 1 else labels for labels in (label_B, partner_label_B)
    )
    return share_B1 * own_BC + (1 - share_B1) * other_BC
