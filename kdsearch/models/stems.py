"""Fitting nets made for 224-pixel images to small ones: a stem that loses less resolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.modules.pooling import _AvgPoolNd, _MaxPoolNd

from kdsearch.errors import SpecError


def set_stem_stride(net: nn.Module, stride: int, image_shape: Sequence[int], label: str) -> None:
    """Gives the stem this total stride: removes its pooling first, then the stride of its first convolution.

    The stem is the first convolution with a stride and, if it comes next among what has a stride, a pooling layer.

    Raises:
        SpecError: the stem's stride is smaller than that, or cannot be changed.
    """
    stem = _stem(net, image_shape)
    present = 1
    for _, module in stem:
        present *= _stride(module)
    if stride > present:
        raise SpecError(
            f"student.stem_stride: the stem of {label} has stride {present}, it cannot become {stride}; leave "
            "stem_stride out"
        )
    for path, module in reversed(stem):
        if present > stride:
            present //= _stride(module)
            _unstride(net, path, module)
    if present != stride:
        raise SpecError(
            f"student.stem_stride: the stem of {label} has stride {present} then; {stride} is not to be had; "
            "choose another"
        )


def _stem(net: nn.Module, image_shape: Sequence[int]) -> list[tuple[str, nn.Module]]:
    strided = _strided_in_order(net, image_shape)
    if not strided:
        return []
    first, then = strided[0], strided[1:2]
    is_pooled = isinstance(first[1], nn.Conv2d) and bool(then) and isinstance(then[0][1], _MaxPoolNd | _AvgPoolNd)
    return [first, then[0]] if is_pooled else [first]


def _strided_in_order(net: nn.Module, image_shape: Sequence[int]) -> list[tuple[str, nn.Module]]:
    called: list[tuple[str, nn.Module]] = []
    handles = []
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d | _MaxPoolNd | _AvgPoolNd) and _stride(module) > 1:

            def note(module: nn.Module, args: Any, name: str = name) -> None:  # noqa: ARG001
                called.append((name, module))

            handles.append(module.register_forward_pre_hook(note))
    training = net.training
    net.eval()
    device = next((p.device for p in net.parameters()), torch.device("cpu"))
    try:
        with torch.no_grad():
            net(torch.zeros(1, *image_shape, device=device))
    except (RuntimeError, ValueError, AssertionError):
        if not called:
            raise
        # an image that is too small for the net as it is may fit once the stem keeps its size
    finally:
        net.train(training)
        for handle in handles:
            handle.remove()
    return called


def _stride(module: nn.Module) -> int:
    stride: Any = module.stride
    return int(stride if isinstance(stride, int) else max(stride))


def _unstride(net: nn.Module, path: str, module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        module.stride = (1, 1)
        return
    parent, _, key = path.rpartition(".")
    net.get_submodule(parent)._modules[key] = nn.Identity()
