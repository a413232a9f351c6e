"""Batch norms folded into the convolutions before them, for the time of a block: evaluation without their passes.

In evaluation a batch norm is a fixed scale and shift of each channel, which the convolution can do itself. A thin net
spends a quarter of a forward pass on reading and writing features for its batch norms.

O: output channels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from kdsearch.tracing.swap import Setting, Slots, swapped

_GAP = 1e-4  # ten times the rounding of 50 layers, and far below what a wrong fold does

_known: WeakKeyDictionary[nn.Module, tuple[Fold, ...]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Fold:
    """The names of a convolution and of the batch norm that alone reads its output."""

    conv: str
    norm: str

    def settings(self, net: nn.Module) -> list[Setting]:
        """The convolution's weights with the norm's present statistics in them, and what is left of the norm."""
        conv, norm = net.get_submodule(self.conv), net.get_submodule(self.norm)
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, _BatchNorm)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale_O = (norm.running_var + norm.eps).rsqrt()
        shift_O = -norm.running_mean if conv.bias is None else conv.bias - norm.running_mean
        if norm.affine:
            scale_O = scale_O * norm.weight
        shift_O = shift_O * scale_O + norm.bias if norm.affine else shift_O * scale_O
        tensors: dict[str, Any] = conv._parameters
        holder, _, key = self.norm.rpartition(".")
        return [
            (tensors, "weight", conv.weight * scale_O.view(-1, 1, 1, 1)),
            (tensors, "bias", shift_O),
            (net.get_submodule(holder)._modules, key, _rest(norm)),
        ]


@contextmanager
def folded(net: nn.Module, image_BCHW: Tensor) -> Iterator[None]:
    """``net``, in evaluation mode, computes the same inside the block with fewer passes over its features.

    What can be folded is found at the first call for a net and proved on ``image_BCHW``, a few of its images.
    """
    if net not in _known and bool(net(image_BCHW).isfinite().all()):
        _known[net] = find_folds(net, image_BCHW)
    with _applied(net, _known.get(net, ())):
        yield


def find_folds(net: nn.Module, image_BCHW: Tensor) -> tuple[Fold, ...]:
    """The folds under which the net's output on these images stays as it is, but for rounding (1e-4)."""
    folds = _candidates(net, image_BCHW)
    reference = net(image_BCHW)

    def holds(tried: Sequence[Fold]) -> bool:
        with _applied(net, tried):
            gap = (net(image_BCHW) - reference).abs().max()
        return bool(gap <= _GAP * max(1.0, float(reference.abs().max())))

    if not holds(folds):
        folds = tuple(fold for fold in folds if holds([fold]))
    return folds if holds(folds) else ()


@contextmanager
def _applied(net: nn.Module, folds: Sequence[Fold]) -> Iterator[None]:
    settings = [setting for fold in folds for setting in fold.settings(net)]
    with swapped(Slots({}, (), ()), {}, settings):
        yield


def _candidates(net: nn.Module, image_BCHW: Tensor) -> tuple[Fold, ...]:
    """Each convolution with the batch norm that was called on the very tensor that it gave; both called once."""
    gave: list[tuple[str, Tensor]] = []
    read: list[tuple[str, Tensor]] = []
    with ExitStack() as hooks:
        for name, module in net.named_modules():
            if isinstance(module, nn.Conv2d):
                hooks.callback(module.register_forward_hook(_noting_output(gave, name)).remove)
            elif isinstance(module, _BatchNorm) and module.running_mean is not None:
                hooks.callback(module.register_forward_pre_hook(_noting_input(read, name)).remove)
        net(image_BCHW)
    calls = Counter(name for name, _ in [*gave, *read])
    folds = []
    for conv, output in gave:
        norms = [norm for norm, given in read if given is output]
        if len(norms) == 1 and calls[conv] == calls[norms[0]] == 1:
            folds.append(Fold(conv, norms[0]))
    return tuple(folds)


def _noting_output(seen: list[tuple[str, Tensor]], name: str) -> Callable[[nn.Module, Any, Tensor], None]:
    return lambda _, __, output: seen.append((name, output))


def _noting_input(seen: list[tuple[str, Tensor]], name: str) -> Callable[[nn.Module, Any], None]:
    return lambda _, given: seen.append((name, given[0]))


def _rest(norm: _BatchNorm) -> nn.Module:
    """What a batch norm does after normalising: nothing, or timm's activation."""
    after = [getattr(norm, name) for name in ("drop", "act") if isinstance(getattr(norm, name, None), nn.Module)]
    return nn.Sequential(*after).eval()
