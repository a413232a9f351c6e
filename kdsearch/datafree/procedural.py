"""Images that nobody has to learn to make: curves, overlapping discs and fractal noise, in the brightness of the data.

Nets look for edges, strokes and textures before anything else, and these are full of them; a batch costs hardly more
than a small teacher's answer. They are the same for every teacher: of the data they know the mean and the deviation
that a teacher's card states, nothing else.

B: batch, C: channels, H and W: pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_SMOOTH = (0.07, 0.18)  # the correlation length of the noise whose level curves are drawn, as a share of the side
_SMOOTHNESSES = 4  # different ones in a batch: each is a convolution of its own
_STROKE = (0.7, 1.8)  # half of a curve's width in pixels, on 28 of them
_LEVELS = 0.7  # how much the levels vary, in standard deviations of the noise
_STEEP = 0.02  # keeps a curve on a plateau of the noise from covering it
_WINDOWED = 0.75  # the share of images whose curves end at a window
_RADII = (0.21, 0.43)  # of windows, as a share of the side
_PLACES = 0.07  # how far windows are from the middle
_DISCS = 12
_OCTAVES = 4
_COMMON = 0.8  # what channels share of their contrast, so that they are of one picture
_LEAST_SPREAD = 1e-3


def draw_procedural(
    count: int, image_shape: tuple[int, int, int], mean: tuple[float, ...], std: tuple[float, ...]
) -> Tensor:
    """So many images as uint8 BCHW, half of them curves, drawn from torch's generator of the CPU.

    Each kind has the mean and the deviation given (pixels 0..1, one a channel) but for what is cut off at black and
    white. A pattern is bright on dark as often as the data are dark: all the more, the darker their mean.
    """
    channels, height, width = image_shape
    half, quarter = count - 2 * (count // 4), count // 4
    kinds = (_curves(half, height, width), _discs(quarter, height, width), _fractals(quarter, height, width))
    parts = [_coloured(pattern_B1HW, channels, mean, std) for pattern_B1HW in kinds if len(pattern_B1HW)]
    return (255 * torch.cat(parts).clamp(0, 1)).round().to(torch.uint8)


def _coloured(pattern_B1HW: Tensor, channels: int, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """The patterns in colours of the data's mean and deviation."""
    count = len(pattern_B1HW)
    pattern = (pattern_B1HW - pattern_B1HW.mean()) / pattern_B1HW.std().clamp_min(_LEAST_SPREAD)
    mean_C, std_C = (torch.tensor(given).view(1, -1, 1, 1) for given in (mean, std))
    if channels == 1:
        contrast = torch.ones(count, 1, 1, 1)
    else:
        contrast = _COMMON + (1 - _COMMON**2) ** 0.5 * torch.randn(count, channels, 1, 1)
    bright = torch.rand(count, 1, 1, 1) < 1 - mean_C.mean()
    return mean_C + std_C * torch.where(bright, contrast, -contrast) * pattern


def _curves(count: int, height: int, width: int) -> Tensor:
    """Level curves of smooth noise, 1 on a curve and 0 away from it, whole or inside a round window."""
    side = min(height, width)
    share = -(-count // _SMOOTHNESSES)
    lengths = (side * (_SMOOTH[0] + (_SMOOTH[1] - _SMOOTH[0]) * torch.rand(_SMOOTHNESSES))).tolist()
    drawn = torch.cat([_level_curves(_smooth_noise(share, height, width, length)) for length in lengths])
    return drawn[:count] * _windows(count, height, width)


def _level_curves(noise_B1HW: Tensor) -> Tensor:
    """A pixel is bright where its distance from the level, by the slope there, is less than the stroke."""
    count = len(noise_B1HW)
    across = F.pad(noise_B1HW[..., 1:] - noise_B1HW[..., :-1], (0, 1, 0, 0), mode="replicate")
    down = F.pad(noise_B1HW[..., 1:, :] - noise_B1HW[..., :-1, :], (0, 0, 0, 1), mode="replicate")
    slope = (across.square() + down.square()).sqrt() + _STEEP
    stroke = _uniform(count, _STROKE) * max(1.0, min(noise_B1HW.shape[2:]) / 28)
    return torch.exp(-(((noise_B1HW - _LEVELS * torch.randn(count, 1, 1, 1)) / slope / stroke) ** 4))


def _smooth_noise(count: int, height: int, width: int, length: float) -> Tensor:
    """Noise of zero mean and unit deviation in each image, blurred by a Gaussian of so many pixels."""
    reach = min(max(1, int(3 * length)), min(height, width) - 1)
    places = torch.arange(-reach, reach + 1, dtype=torch.float32)
    kernel = torch.exp(-((places / length) ** 2) / 2)
    noise = torch.randn(count, 1, height, width)
    noise = F.conv2d(F.pad(noise, (reach, reach, 0, 0), mode="reflect"), kernel.view(1, 1, 1, -1))
    noise = F.conv2d(F.pad(noise, (0, 0, reach, reach), mode="reflect"), kernel.view(1, 1, -1, 1))
    return (noise - noise.mean((2, 3), keepdim=True)) / noise.std((2, 3), keepdim=True)


def _windows(count: int, height: int, width: int) -> Tensor:
    """Masks 0..1: a soft disc about the middle, or all of the image."""
    side = min(height, width)
    distance = _distances(count, height, width, _PLACES * side * torch.randn(2, count, 1, 1, 1))
    disc = torch.sigmoid(2 * (_uniform(count, _RADII) * side - distance))
    return torch.where(torch.rand(count, 1, 1, 1) < _WINDOWED, disc, torch.ones(()))


def _discs(count: int, height: int, width: int) -> Tensor:
    """Dead leaves (Lee et al. 2001): discs of even shades, the later ones over the earlier, small ones more often."""
    side = min(height, width)
    picture = torch.rand(count, 1, 1, 1).expand(-1, -1, height, width)
    for _ in range(_DISCS):
        at = torch.rand(2, count, 1, 1, 1) - 0.5
        at = torch.stack([height * at[0], width * at[1]])
        radius = side * 0.08 * (_uniform(count, (0.0, 0.95)).neg() + 1).pow(-0.5)
        covered = _distances(count, height, width, at) < radius
        picture = torch.where(covered, torch.rand(count, 1, 1, 1), picture)
    return picture


def _fractals(count: int, height: int, width: int) -> Tensor:
    """Noise of several scales, each of half the amplitude of the next coarser one."""
    picture = torch.zeros(count, 1, height, width)
    for octave in range(_OCTAVES):
        grid = (min(height, 2 << octave), min(width, 2 << octave))
        noise = F.interpolate(torch.randn(count, 1, *grid), size=(height, width), mode="bilinear")
        picture = picture + 0.5**octave * noise
    return picture


def _distances(count: int, height: int, width: int, middle: Tensor) -> Tensor:
    """B1HW: of each pixel from a point, which is given from the middle of the image, down and across."""
    down = torch.arange(height).view(1, 1, -1, 1) - (height - 1) / 2 - middle[0]
    across = torch.arange(width).view(1, 1, 1, -1) - (width - 1) / 2 - middle[1]
    return (down.square() + across.square()).sqrt().expand(count, 1, height, width)


def _uniform(count: int, span: tuple[float, float]) -> Tensor:
    return span[0] + (span[1] - span[0]) * torch.rand(count, 1, 1, 1)
