"""The order in memory, of images and weights, in which a net computes fastest; the values do not depend on it.

Measured on one CPU thread, 32 pixels, channels-last against plain: a training step of batch 64 takes 198 against 300 ms
in ResNet-20, 342 against 530 in MobileNetV2, 580 against 659 in VGG-11; inference takes 0.85, 0.6 and 0.8 of the time.
LeNet-5, which has no wide convolution, takes 12.2 against 10.9 ms. Either images or weights in that order suffice.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_WIDE = 32  # channels of the widest convolution from which channels-last is the faster order


def image_layout(model: nn.Module) -> torch.memory_format:
    """The order that images should have for this net."""
    convolutions = (module for module in model.modules() if isinstance(module, nn.Conv2d))
    wide = max((module.out_channels for module in convolutions), default=0) >= _WIDE
    return torch.channels_last if wide else torch.contiguous_format


@contextmanager
def training_layout(model: nn.Module) -> Iterator[None]:
    """The net's weights in the order for its images while it trains; plain afterwards, as saving wants them."""
    model.to(memory_format=image_layout(model))
    try:
        with sliced_strides(model):
            yield
    finally:
        model.to(memory_format=torch.contiguous_format)


@contextmanager
def sliced_strides(model: nn.Module) -> Iterator[None]:
    """Runs each strided 1x1 convolution on every so many pixels, with stride 1: the same sums, without a stride.

    oneDNN's gradient of such a convolution's weights writes outside its memory on processors with AVX2 and no AVX-512
    where channels lie last and fewer than 8 go in (torch 2.15): the process dies at some later step, if it dies.
    """
    changed = [module for module in model.modules() if isinstance(module, nn.Conv2d) and _is_strided_point(module)]
    hooks = [module.register_forward_pre_hook(_slicer(module.stride), with_kwargs=True) for module in changed]
    strides = [module.stride for module in changed]
    for module in changed:
        module.stride = (1, 1)
    try:
        yield
    finally:
        for module, stride, hook in zip(changed, strides, hooks, strict=True):
            module.stride = stride
            hook.remove()


def _is_strided_point(module: nn.Conv2d) -> bool:
    unpadded = module.padding in ((0, 0), "valid")
    return module.kernel_size == (1, 1) and module.stride != (1, 1) and unpadded


def _slicer(stride: tuple[int, ...]) -> Any:
    down, right = stride

    def take(_: nn.Module, given: tuple[Tensor, ...], named: dict[str, Tensor]) -> Any:
        if given:
            return (given[0][..., ::down, ::right], *given[1:]), named
        return given, named | {"input": named["input"][..., ::down, ::right]}

    return take
