"""Blocks of several branches that their authors can turn into one layer (RepVGG, MobileOne, FastViT, RepViT), turned.

Such a block has a method for it. Its result is compared with the block on what the block is given, and a block whose
method fails, or gives anything else, stays as it is: blocks of a cropped net remember sizes of the full one, which are
set right first, but another author's block may remember them under another name.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from kdsearch.cost.flops import count_costs
from kdsearch.tracing.copying import copy_net
from kdsearch.tracing.tracer import FOREIGN_ERRORS

log = logging.getLogger(__name__)

_METHODS = ("fuse", "reparameterize", "switch_to_deploy", "reparam", "merge_kernel")
_ENTERING = ("in_chs", "in_channels", "in_dim", "in_planes", "inp", "dim")
_LEAVING = ("out_chs", "out_channels", "out_dim", "planes", "oup")
_GAP = 1e-4  # as a share of max(1, largest output): float32 rounds far less

Passed = dict[nn.Module, tuple[Tensor, Tensor]]
"""What each block was given and gave, on one image."""


def fuse_blocks(net: nn.Module, image_BCHW: Tensor) -> tuple[nn.Module, int]:
    """A copy of the net, which is in evaluation, with its blocks turned into single layers, and how many were."""
    if not any(_methods(module) for module in net.modules()):
        return net, 0
    fused = copy_net(net)
    with torch.no_grad():
        count = _fuse_children(fused, _record(fused, image_BCHW))
        if _is_same(fused(image_BCHW), net(image_BCHW)):
            return fused, count
    log.warning("the net's blocks are exported as they are: fused, they compute something else in this net")
    return net, 0


def _is_same(found: Tensor, wanted: Tensor) -> bool:
    return bool((found - wanted).abs().max() <= _GAP * max(1.0, float(wanted.abs().max())))


def delivered_costs(net: nn.Module, image_shape: Sequence[int]) -> dict[str, int]:
    """``blocks`` that are fused when the net is exported, and what it costs then; nothing where no block is."""
    still = copy_net(net).cpu().eval()
    example_BCHW = torch.rand(1, *image_shape, generator=torch.Generator().manual_seed(0))
    fused, blocks = fuse_blocks(still, example_BCHW)
    if not blocks:
        return {}
    return {"blocks": blocks, **count_costs(fused, image_shape)}


def _methods(module: nn.Module) -> list[Callable[[], Any]]:
    """The module's own methods that turn it into one layer, those without arguments."""
    found = [getattr(module, name, None) for name in _METHODS]
    return [method for method in found if inspect.ismethod(method) and not _needs(method)]


def _needs(method: Callable[[], Any]) -> bool:
    return any(one.default is one.empty for one in inspect.signature(method).parameters.values())


def _record(net: nn.Module, image_BCHW: Tensor) -> Passed:
    passed: Passed = {}

    def before(module: nn.Module, given: Any) -> None:
        if len(given) == 1 and isinstance(given[0], Tensor):
            passed[module] = (given[0].clone(), given[0])  # a copy: a block may work in place

    def after(module: nn.Module, _: Any, output: Any) -> None:
        entered = passed.pop(module, None)
        if entered is not None and isinstance(output, Tensor):
            passed[module] = (entered[0], output.clone())

    with ExitStack() as hooks:
        for module in net.modules():
            if _methods(module):
                hooks.callback(module.register_forward_pre_hook(before).remove)
                hooks.callback(module.register_forward_hook(after).remove)
        net(image_BCHW)
    return passed


def _fuse_children(parent: nn.Module, passed: Passed) -> int:
    """How many blocks were fused; a child that cannot be is searched for smaller ones."""
    count = 0
    for key, child in parent._modules.items():
        if child is None:
            continue
        fused = _try_fusing(child, passed)
        if fused is not None:
            parent._modules[key] = fused
            count += 1
            count += _fuse_children(fused, passed)
        else:
            count += _fuse_children(child, passed)
    return count


def _try_fusing(block: nn.Module, passed: Passed) -> nn.Module | None:
    """The block as one layer, if it has a method for it whose result computes the same."""
    if not _methods(block) or block not in passed:
        return None
    entered, left = passed[block]
    tried = copy_net(block)
    for own, copied in zip(block.modules(), tried.modules(), strict=True):
        if own in passed:
            _set_sizes(copied, *(tensor.shape[1] for tensor in passed[own]))
    try:
        made = _methods(tried)[0]()
        result = made if isinstance(made, nn.Module) else tried
        is_same = _is_same(result.eval()(entered.clone()), left)
    except FOREIGN_ERRORS as error:
        log.info("%s stays unfused: %s", type(block).__name__, error)
        return None
    if not is_same:
        log.info("%s stays unfused: its own method makes another function of it", type(block).__name__)
        return None
    return result.requires_grad_(False)


def _set_sizes(block: nn.Module, entering: int, leaving: int) -> None:
    """Corrects the sizes that a block of a cropped net remembers of the full one."""
    held = vars(block)
    convolutions = [module for module in block.modules() if isinstance(module, nn.Conv2d)]
    branches = [conv.groups for conv in convolutions if (conv.in_channels, conv.out_channels) == (entering, leaving)]
    is_depthwise = any(held.get("groups") == held.get(name) for name in _ENTERING)
    sizes = dict.fromkeys(_ENTERING, entering) | dict.fromkeys(_LEAVING, leaving)
    if branches or is_depthwise:
        sizes["groups"] = branches[0] if branches else entering
    for name, size in sizes.items():
        if isinstance(held.get(name), int) and held[name] != size:
            held[name] = size
