"""Random changes of training images, on whole batches of uint8; and the step from pixels to a net's input.

What happens to an image is drawn first, as numbers, and done afterwards, so that it can be kept and done again.

B: batch, C: channels, H and W: pixels, 2: down and across, 4: height, width, place down and place across.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from kdsearch.data.mixing import Mixing, draw_mixing, mix_images
from kdsearch.spec.sections import Augmentation


@dataclass(frozen=True, slots=True)
class Extents:
    """What is the same for every image: how far a shift reaches down and across, and the side of a hole, in pixels."""

    reach: tuple[int, int]
    side: int

    @classmethod
    def of(cls, options: Augmentation, image_size: tuple[int, int]) -> Extents:
        """A ``crop`` below 1 is a share of each side, ``cutout`` one of the shorter side."""
        down, across = (round(options.crop if options.crop >= 1 else options.crop * side) for side in image_size)
        return cls((down, across), max(1, round(options.cutout * min(image_size))))


@dataclass(frozen=True, slots=True)
class Views:
    """What happens to each of B images, in this order; None where it happens to none. Everything is on the CPU.

    ``part_B4``: the part that is scaled to the full size, in the coordinates of ``affine_grid``. ``corner_B2``: the
    window shown, where the image has ``reach`` black pixels around it. ``mirror_B``: whether left and right change
    places. ``hole_B2``: corner of the covered square, which may lie outside the image; ``colour`` covers it, the mean
    of the batch where None. ``mixing``: the image that is mixed in, and how.
    """

    extents: Extents
    part_B4: Tensor | None = None
    corner_B2: tuple[Tensor, Tensor] | None = None
    mirror_B: Tensor | None = None
    hole_B2: tuple[Tensor, Tensor] | None = None
    mixing: Mixing | None = None
    colour: tuple[int, ...] | None = None


def draw_views(count: int, options: Augmentation, image_size: tuple[int, int], generator: torch.Generator) -> Views:
    """Views of ``count`` images of (height, width) pixels, drawn on the CPU in the order in which they happen."""
    extents = Extents.of(options, image_size)
    part = corner = mirror = hole = None
    if options.resized_crop is not None:
        part = _draw_parts(count, options.resized_crop, generator)
    if options.crop > 0:
        down, across = (torch.randint(2 * reach + 1, (count,), generator=generator) for reach in extents.reach)
        corner = down, across
    if options.flip:
        mirror = torch.rand(count, generator=generator) < 0.5
    if options.cutout > 0:
        # the centre may be anywhere (DeVries and Taylor 2017)
        down, across = (torch.randint(side, (count,), generator=generator) - extents.side // 2 for side in image_size)
        hole = down, across
    return Views(extents, part, corner, mirror, hole, draw_mixing(count, options, image_size, generator))


def apply_views(images_BCHW: Tensor, views: Views) -> Tensor:
    """The images as the views show them: uint8, or float32 0..255 where they are mixed with partners of the batch."""
    images = transform(images_BCHW, views)
    if views.mixing is None:
        return images
    return mix_images(images, images.index_select(0, views.mixing.partner_B.to(images.device)), views.mixing)


def transform(images_BCHW: Tensor, views: Views) -> Tensor:
    """The images as uint8 after all that happens to each alone: resized crop, shift, mirroring, cutout."""
    images = images_BCHW
    if views.part_B4 is not None:
        images = _scale_parts(images, views.part_B4)
    if views.corner_B2 is not None:
        images = _shift(images, views.corner_B2, views.extents.reach)
    if views.mirror_B is not None:
        images = _mirror(images.clone() if images is images_BCHW else images, views.mirror_B)
    if views.hole_B2 is not None:
        images = _cover(images, views.hole_B2, views.extents.side, views.colour)
    return images


def normalise(images_BCHW: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """The images as float32, (pixel / 255 - mean) / std for each channel, computed in place once converted."""
    shift, scale = _shift_and_scale(mean, std, images_BCHW.device)
    return torch.sub(images_BCHW, shift).mul_(scale)


@lru_cache(maxsize=16)
def _shift_and_scale(mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    shape = (1, len(mean), 1, 1)
    with torch.inference_mode(False):  # kept for training too, whoever asks first
        shift = torch.tensor([255 * m for m in mean], dtype=torch.float32, device=device).view(shape)
        scale = torch.tensor([1 / (255 * s) for s in std], dtype=torch.float32, device=device).view(shape)
    return shift, scale


def _shift(images_BCHW: Tensor, corner_B2: tuple[Tensor, Tensor], reach: tuple[int, int]) -> Tensor:
    """Each image shifted; what that uncovers is black."""
    height, width = images_BCHW.shape[2:]
    top, left = corner_B2
    padded = F.pad(images_BCHW, (reach[1], reach[1], reach[0], reach[0]))
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)
    if padded.device.type == "cpu":
        # NumPy copies whole windows here, torch one row of pixels at a time: 45 against 230 us for 64 of 3x32x32
        return torch.from_numpy(windows.numpy()[np.arange(len(padded)), :, top.numpy(), left.numpy()])
    rows = torch.arange(len(padded), device=padded.device)
    return windows[rows, :, top.to(padded.device), left.to(padded.device)]


def _mirror(images_BCHW: Tensor, mirror_B: Tensor) -> Tensor:
    """Mirrors the images that are marked, in place."""
    if images_BCHW.device.type == "cpu":
        pixels, rows = images_BCHW.numpy(), np.flatnonzero(mirror_B.numpy())
        pixels[rows] = pixels[rows, ..., ::-1]
        return images_BCHW
    chosen = torch.nonzero(mirror_B).squeeze(1).to(images_BCHW.device)
    return images_BCHW.index_copy_(0, chosen, images_BCHW.index_select(0, chosen).flip(-1))


def _cover(images_BCHW: Tensor, hole_B2: tuple[Tensor, Tensor], side: int, colour: tuple[int, ...] | None) -> Tensor:
    """Covers one square of each image with the colour given, or with the mean one of the batch."""
    device = images_BCHW.device
    inside = []
    for start_B, length in zip(hole_B2, images_BCHW.shape[2:], strict=True):
        start, place = start_B.unsqueeze(1), torch.arange(length).unsqueeze(0)
        inside.append((place >= start) & (place < start + side))
    covered = (inside[0].unsqueeze(2) & inside[1].unsqueeze(1)).unsqueeze(1).to(device)
    if colour is None:
        fill = images_BCHW.float().mean((0, 2, 3), keepdim=True).round().to(torch.uint8)
    else:
        fill = torch.tensor(colour, dtype=torch.uint8, device=device).view(1, -1, 1, 1)
    return torch.where(covered, fill, images_BCHW)


def _draw_parts(count: int, area: tuple[float, float], generator: torch.Generator) -> Tensor:
    """A random part of each image, of ``area`` (share of the pixels) and aspect 3:4 to 4:3."""
    draws = torch.rand((4, count), generator=generator)
    share = area[0] + (area[1] - area[0]) * draws[0]
    aspect = torch.exp((2 * draws[1] - 1) * math.log(4 / 3)).sqrt()
    height, width = (share.sqrt() / aspect).clamp(max=1), (share.sqrt() * aspect).clamp(max=1)
    # affine_grid's coordinates run from -1 to 1: a part of size s may have its centre at +-(1 - s)
    down, across = (2 * draws[2] - 1) * (1 - height), (2 * draws[3] - 1) * (1 - width)
    return torch.stack([height, width, down, across], 1)


def _scale_parts(images_BCHW: Tensor, part_B4: Tensor) -> Tensor:
    height, width, down, across = part_B4.unbind(1)
    zero = torch.zeros_like(height)
    theta = torch.stack([torch.stack([width, zero, across], 1), torch.stack([zero, height, down], 1)], 1)
    grid = F.affine_grid(theta.to(images_BCHW.device), list(images_BCHW.shape), align_corners=False)
    scaled = F.grid_sample(images_BCHW.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)
    return scaled.round().to(torch.uint8)
