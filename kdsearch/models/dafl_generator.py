"""Nets that turn noise into images: the generator of DAFL, as wide and as large as it is asked to be.

B: batch, Z: numbers of noise, C: channels, H and W: pixels.
"""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

_SLOPE = 0.2
_START = 8  # the side, at most about so many pixels, at which the noise becomes maps
_LEAST_DOUBLINGS = 2


class DaflGenerator(nn.Module):
    """Chen et al. 2019, as their code has it: a linear layer to maps, and three convolutions while it grows twofold.

    Two of its batch norms have 0.8 for ``eps``, where common code of GANs meant a momentum; results depend on it. The
    last one has no weights: images leave it with zero mean and unit variance a channel, which is what a net reads.

    ``width`` is that of the last hidden layer (64 in the paper), the ones before it have twice as much. Images of more
    than 45 pixels are doubled more often; a side that is no multiple is reached by the last doubling.
    """

    def __init__(self, noise: int, image_shape: tuple[int, int, int], width: int = 64, eps: float = 0.8) -> None:
        super().__init__()
        channels, height, width_pixels = image_shape
        doublings = max(_LEAST_DOUBLINGS, round(math.log2(max(height, width_pixels) / _START)))
        self.noise, self.wide = noise, 2 * width
        self.sizes = [_divided(height, width_pixels, 2**left) for left in range(doublings, -1, -1)]
        down, across = self.sizes[0]
        self.first = nn.Linear(noise, self.wide * down * across)
        self.first_norm = nn.BatchNorm2d(self.wide)
        self.blocks = nn.ModuleList(
            _block(self.wide, self.wide if at + 1 < doublings else width, eps) for at in range(doublings)
        )
        self.last = nn.Conv2d(width, channels, kernel_size=3, padding=1)
        self.last_norm = nn.BatchNorm2d(channels, affine=False)

    def forward(self, noise_BZ: Tensor) -> Tensor:
        maps = self.first_norm(self.first(noise_BZ).view(-1, self.wide, *self.sizes[0]))
        for size, block in zip(self.sizes[1:], self.blocks, strict=True):
            maps = block(F.interpolate(maps, size=size))
        image_BCHW: Tensor = self.last_norm(self.last(maps).tanh())
        return image_BCHW


def _block(inputs: int, outputs: int, eps: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size=3, padding=1), nn.BatchNorm2d(outputs, eps), nn.LeakyReLU(_SLOPE)
    )


def _divided(height: int, width: int, by: int) -> tuple[int, int]:
    return -(-height // by), -(-width // by)
