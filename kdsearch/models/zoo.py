"""Any net by name: timm's, torchvision's and the few of ours that they lack, fitted to small images if asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from kdsearch.errors import SpecError, did_you_mean
from kdsearch.models.checkpoints import load_weights
from kdsearch.models.lenet import lenet5, lenet5bn
from kdsearch.models.mobilenetv2_metapruning import mobilenetv2_metapruning
from kdsearch.models.pretrained import fill_torchvision, make_pretrained_timm, match_input
from kdsearch.models.resnet_cifar import resnet8, resnet20, resnet56
from kdsearch.models.stems import set_stem_stride
from kdsearch.models.vgg_cifar import vgg11_bn_cifar, vgg16_bn_cifar
from kdsearch.spec.sections import StudentOptions

OWN: dict[str, Callable[[int, int, float], nn.Module]] = {
    "lenet5": lenet5,
    "lenet5bn": lenet5bn,
    "mobilenetv2_metapruning": mobilenetv2_metapruning,
    "resnet8": resnet8,
    "resnet20": resnet20,
    "resnet56": resnet56,
    "vgg11_bn_cifar": vgg11_bn_cifar,
    "vgg16_bn_cifar": vgg16_bn_cifar,
}
"""Our own nets: (num_classes, in_channels, width) -> module."""


def make_net(
    options: StudentOptions,
    *,
    num_classes: int,
    in_channels: int,
    image_size: int | None = None,
    seed: int = 0,
    section: str = "student",
) -> nn.Module:
    """The full net that ``options`` names, randomly initialised from ``seed``, or with a file's or published weights.

    ``image_size``: side in pixels, needed where ``stem_stride`` is given (it finds the stem in the order of a forward).
    ``section``: what names the net, for messages.

    Raises:
        SpecError: no such net, a net that cannot have such a stem, or weights that do not fit or cannot be had.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = _named(options, num_classes, in_channels, section)
    if options.stem_stride is not None:
        shape = (in_channels, image_size or 64, image_size or 64)
        set_stem_stride(net, options.stem_stride, shape, options.label, section)
    if options.weights is not None:
        load_weights(net, options.weights)
    return net


def _named(options: StudentOptions, num_classes: int, in_channels: int, section: str) -> nn.Module:
    if options.timm is not None:
        return _make_timm(options, num_classes, in_channels, section)
    if options.torchvision is not None:
        return _make_torchvision(options, num_classes, in_channels, section)
    name = str(options.net)
    if name not in OWN:
        raise SpecError(_unknown(f"{section}.net", name, list(OWN)))
    return OWN[name](num_classes, in_channels, options.width)


def _make_timm(options: StudentOptions, num_classes: int, in_channels: int, section: str) -> nn.Module:
    import timm

    name = str(options.timm)
    if name not in timm.list_models() and name not in timm.list_pretrained():  # the latter have their tags
        raise SpecError(_unknown(f"{section}.timm", name, timm.list_models()))
    if options.pretrained:
        return make_pretrained_timm(name, num_classes, in_channels)
    try:
        net: nn.Module = timm.create_model(name, num_classes=num_classes, in_chans=in_channels)
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        raise SpecError(
            f"{section}.timm: {name} cannot be made for {in_channels} input channels: {error}; set task.channels: 3"
        ) from error
    return net


def _make_torchvision(options: StudentOptions, num_classes: int, in_channels: int, section: str) -> nn.Module:
    import torchvision

    name = str(options.torchvision)
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        raise SpecError(_unknown(f"{section}.torchvision", name, known))
    arguments: dict[str, Any] = {"weights": None, "num_classes": num_classes}
    if name in ("googlenet", "inception_v3"):
        arguments.update(aux_logits=False, init_weights=True)
    net: nn.Module = torchvision.models.get_model(name, **arguments)
    _read_channels(net, in_channels)
    if options.pretrained:
        match_input(net, options)
        fill_torchvision(net, name, in_channels)
    return net


def _read_channels(net: nn.Module, in_channels: int) -> None:
    """Makes the first convolution read this many channels; torchvision builds all its nets for three."""
    path, first = next((n, m) for n, m in net.named_modules() if isinstance(m, nn.Conv2d))
    if first.in_channels == in_channels:
        return
    options: dict[str, Any] = {
        key: getattr(first, key) for key in ("out_channels", "kernel_size", "stride", "padding", "dilation")
    }
    conv = nn.Conv2d(in_channels, bias=first.bias is not None, **options)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    parent, _, key = path.rpartition(".")
    net.get_submodule(parent)._modules[key] = conv


def _unknown(key: str, name: str, known: Sequence[str]) -> str:
    hint = did_you_mean(name, known, most=3) or f"; there are {len(known)}, such as {', '.join(known[:3])}"
    return f"{key}: no net is called {name}{hint}"
