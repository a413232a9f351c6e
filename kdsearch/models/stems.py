"""Fitting nets made for 224-pixel images to small ones: a stem that loses less resolution."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import nn
from torch.nn.modules.pooling import _AvgPoolNd, _MaxPoolNd

from kdsearch.errors import SpecError, first_line
from kdsearch.tracing.tracer import FOREIGN_ERRORS
from kdsearch.tracing.unchanged import unchanged


def set_stem_stride(
    net: nn.Module, stride: int, image_shape: Sequence[int], label: str, section: str = "student"
) -> None:
    """Gives the stem this total stride: removes its pooling first, then the stride of its first convolution.

    The stem is the first convolution with a stride, with others of its stride that read the same image (a block of
    several branches, as in RepVGG), and, if it comes next among what has a stride, a pooling layer.
    ``section``: what names the net, for messages.

    Raises:
        SpecError: the stem's stride is smaller than that, or cannot be changed, or the net does not run then.
    """
    key = f"{section}.stem_stride"
    strided, branches, failure = _strided_in_order(net, image_shape)
    stem = _stem(strided)
    present = prod(_stride(module) for _, module in stem)
    if failure is not None and (not strided or stride == present):
        raise _does_not_run(f"{section}: {label}", image_shape, failure, "") from failure
    if stride == present:
        return
    if failure is None and _cuts_patches(strided):
        raise SpecError(
            f"{key}: {label} has no stem, its one stride of {present} cuts the image into patches; leave stem_stride "
            "out or name a net with smaller patches"
        )
    if stride > present:
        raise SpecError(f"{key}: the stem of {label} has stride {present}, it cannot become {stride}; leave it out")
    _lower(net, stem, stride, f"{key}: the stem of {label}")
    for path, module in branches if _stride(stem[0][1]) == 1 else ():
        _unstride(net, path, module)
    _, _, failure = _strided_in_order(net, image_shape)
    if failure is not None:
        raise _does_not_run(f"{key}: {label}", image_shape, failure, f" with a stem of stride {stride}") from failure


def _lower(net: nn.Module, stem: Sequence[tuple[str, nn.Module]], stride: int, who: str) -> None:
    present = prod(_stride(module) for _, module in stem)
    for path, module in reversed(stem):
        if present > stride:
            present //= _stride(module)
            _unstride(net, path, module)
    if present != stride:
        raise SpecError(f"{who} has stride {present} then; {stride} is not to be had; choose another")


def _does_not_run(who: str, image_shape: Sequence[int], failure: Exception, how: str) -> SpecError:
    shape = "x".join(str(size) for size in image_shape)
    remedy = "leave stem_stride out, change task.image_size or name" if how else "change task.image_size or name"
    return SpecError(f"{who} does not run on images of {shape}{how}: {first_line(failure)}; {remedy} another net")


def _stem(strided: Sequence[tuple[str, nn.Module]]) -> list[tuple[str, nn.Module]]:
    if not strided:
        return []
    first, then = strided[0], strided[1:2]
    is_pooled = isinstance(first[1], nn.Conv2d) and bool(then) and isinstance(then[0][1], _MaxPoolNd | _AvgPoolNd)
    return [first, then[0]] if is_pooled else [first]


def _cuts_patches(strided: Sequence[tuple[str, nn.Module]]) -> bool:
    """Whether all that shrinks the image is one convolution that reads every pixel once, as in a ViT or a Mixer."""
    if len(strided) != 1 or not isinstance(strided[0][1], nn.Conv2d):
        return False
    return max(strided[0][1].kernel_size) <= _stride(strided[0][1])


def _strided_in_order(
    net: nn.Module, image_shape: Sequence[int]
) -> tuple[list[tuple[str, nn.Module]], list[tuple[str, nn.Module]], Exception | None]:
    """What has a stride, as a forward calls it, but for convolutions beside the first one, which read what it reads.

    Then those, and what the forward raised: images may fit once the stem has another stride.
    """
    called: list[tuple[str, nn.Module]] = []
    branches: list[tuple[str, nn.Module]] = []
    read: list[torch.Tensor] = []
    handles = []
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d | _MaxPoolNd | _AvgPoolNd) and _stride(module) > 1:

            def note(module: nn.Module, args: Any, name: str = name) -> None:
                read.append(args[0])
                is_image = args[0] is read[0] and tuple(args[0].shape[1:]) == tuple(image_shape)
                beside = is_image and called and _alike(module, called[0][1])
                (branches if beside else called).append((name, module))

            handles.append(module.register_forward_pre_hook(note))
    failure = _try_forward(net, image_shape)
    for handle in handles:
        handle.remove()
    return called, branches, failure


def _alike(module: nn.Module, first: nn.Module) -> bool:
    both_convolve = isinstance(module, nn.Conv2d) and isinstance(first, nn.Conv2d)
    return module is not first and both_convolve and _stride(module) == _stride(first)


def _try_forward(net: nn.Module, image_shape: Sequence[int]) -> Exception | None:
    device = next((p.device for p in net.parameters()), torch.device("cpu"))
    training = net.training
    try:
        with torch.no_grad(), unchanged(net, values=False):  # what it remembers of a size is of the other stem
            net.eval()(torch.zeros(1, *image_shape, device=device))
    except FOREIGN_ERRORS as error:
        return error
    finally:
        net.train(training)
    return None


def _stride(module: nn.Module) -> int:
    stride: Any = module.stride
    return int(stride if isinstance(stride, int) else max(stride))


def _unstride(net: nn.Module, path: str, module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        module.stride = (1, 1)
        return
    parent, _, key = path.rpartition(".")
    net.get_submodule(parent)._modules[key] = nn.Identity()
