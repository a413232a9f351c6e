"""Cuts images to the size and channels that the task asks for."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_LUMINANCE = (299, 587, 114)  # ITU-R BT.601 in thousandths, as Pillow's mode L


def fit_pixels(images_NCHW: Tensor, image_size: int | None, channels: int | None) -> Tensor:
    """uint8 images, contiguous, with ``channels`` channels and sides of ``image_size``; None leaves as is.

    The short side is scaled to the size (bilinear, antialiased), then the centre is cut out.
    """
    images = images_NCHW
    if channels == 1 and images.shape[1] == 3:
        weights = torch.tensor(_LUMINANCE).view(1, 3, 1, 1)
        images = ((images * weights).sum(1, keepdim=True) + 500).div(1000, rounding_mode="floor").to(torch.uint8)
    if channels == 3 and images.shape[1] == 1:
        images = images.expand(-1, 3, -1, -1)
    if image_size is not None and tuple(images.shape[2:]) != (image_size, image_size):
        images = _centre(_scale(images, image_size), image_size)
    return images.contiguous()


def _scale(images_NCHW: Tensor, side: int) -> Tensor:
    height, width = images_NCHW.shape[2:]
    short = min(height, width)
    size = (round(height * side / short), round(width * side / short))
    return F.interpolate(images_NCHW.contiguous(), size=size, mode="bilinear", antialias=True)


def _centre(images_NCHW: Tensor, side: int) -> Tensor:
    top, left = ((length - side) // 2 for length in images_NCHW.shape[2:])
    return images_NCHW[:, :, top : top + side, left : left + side]
