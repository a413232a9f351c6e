"""Which nets the coverage table holds: the smallest of each CNN module of timm, and torchvision's classification nets.

A module counts as CNN if its smallest net multiplies no two activations as matrices (attention, in any of its forms),
has no recurrent layer, and has at least three convolutions with a kernel above 1 beyond its first layer (a mixer of
linear layers has none). The rule is applied by running the net, and what it excludes is listed with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from kdsearch.models.zoo import make_net
from kdsearch.spec.sections import StudentOptions
from kdsearch.tracing.tracer import FOREIGN_ERRORS

Source = Literal["timm", "torchvision"]
_SIDE = 128  # pixels a side; nets that take one size only are given their own
_LEAST_SPATIAL = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """One net of the table, and the module or family that it stands for."""

    name: str
    source: Source
    module: str

    def make(self) -> nn.Module:
        """The net with ten classes, randomly initialised."""
        options = StudentOptions(timm=self.name) if self.source == "timm" else StudentOptions(torchvision=self.name)
        return make_net(options, num_classes=10, in_channels=3).eval()

    def image_shape(self, net: nn.Module) -> tuple[int, int, int]:
        """The image it is measured on: 128 pixels if it runs on those, else its own size."""
        settings: Any = getattr(net, "pretrained_cfg", None) or {}
        own: tuple[int, int, int] = tuple(settings.get("input_size") or (3, 224, 224))
        small = (own[0], _SIDE, _SIDE)
        if settings.get("fixed_input_size") or max(own) < _SIDE:
            return own
        try:
            with torch.no_grad():
                net(torch.zeros(1, *small))
        except FOREIGN_ERRORS:
            return own
        return small


def smallest_nets() -> Iterator[Entry]:
    """The smallest net by parameters of every timm module (its ``test_`` fixtures aside) and torchvision family."""
    import timm
    import torchvision

    for module in timm.list_modules():
        names = [name for name in timm.list_models(module=module) if not name.startswith("test_")]
        if names:
            yield Entry(min(names, key=_timm_parameters), "timm", module)
    families: dict[str, list[str]] = {}
    for name in torchvision.models.list_models(module=torchvision.models):
        family = torchvision.models.get_model_builder(name).__module__.rpartition(".")[2]
        families.setdefault(family, []).append(name)
    for family, names in families.items():
        yield Entry(min(names, key=_torchvision_parameters), "torchvision", family)


def why_no_cnn(net: nn.Module, image_shape: Sequence[int]) -> str | None:
    """Why the rule excludes the net; None for a CNN."""
    watch = _MixingWatch()
    spatial: list[str] = []
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d) and max(module.kernel_size) > 1:
            spatial.append(name)
        if isinstance(module, nn.RNNBase):
            return "has recurrent layers"
    with torch.no_grad(), watch:
        net(torch.zeros(1, *image_shape))
    if watch.products:
        return f"multiplies activations as matrices ({watch.products} products: attention)"
    if len(spatial) <= _LEAST_SPATIAL:
        return f"has {len(spatial)} convolutions with a kernel above 1 (mixes positions otherwise)"
    return None


class _MixingWatch(TorchDispatchMode):
    """Counts products of two activations: batched matrix products and fused attention."""

    def __init__(self) -> None:
        super().__init__()
        self.products = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func._schema.name).split("::")[-1]
        self.products += name in ("bmm", "baddbmm") or "attention" in name
        return func(*args, **(kwargs or {}))


def _timm_parameters(name: str) -> int:
    import timm

    try:
        with torch.device("meta"):
            return sum(p.numel() for p in timm.create_model(name).parameters())
    except (RuntimeError, ValueError, TypeError, NotImplementedError):
        # a net whose initialisation needs values cannot be weighed without memory
        return sum(p.numel() for p in timm.create_model(name).parameters())


def _torchvision_parameters(name: str) -> int:
    import torchvision

    return min(int(weights.meta["num_params"]) for weights in torchvision.models.get_model_weights(name))
