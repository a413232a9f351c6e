"""Fresh weights for a net of any architecture."""

from __future__ import annotations

import math

import torch
from torch import nn


def initialise(model: nn.Module, seed: int) -> None:
    """Gives every layer of ``model`` fresh weights, the same for the same seed; torch's own generator is left alone.

    Convolutions: normal with deviation sqrt(2 / fan-out), where fan-out counts one group's channels (He et al. 2015,
    sec. 2.2), biases 0. All others: what the layer's own ``reset_parameters`` does. Parameters that stand outside such
    layers keep their values.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        for module in model.modules():
            if isinstance(module, nn.modules.conv._ConvNd):
                _initialise_convolution(module)
            elif callable(reset := getattr(module, "reset_parameters", None)):
                reset()


def _initialise_convolution(conv: nn.modules.conv._ConvNd) -> None:
    fan_out = conv.out_channels // conv.groups * math.prod(conv.kernel_size)
    nn.init.normal_(conv.weight, std=math.sqrt(2 / fan_out))
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
