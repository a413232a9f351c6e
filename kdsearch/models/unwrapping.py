"""What stands around a net or between it and its parameters, taken off; its function stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, prune, remove_spectral_norm, remove_weight_norm
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from kdsearch.tracing.unchanged import unchanged

_WRAPPERS = ("DataParallel", "DistributedDataParallel", "AveragedModel", "OptimizedModule")
_INSIDE = ("_orig_mod", "module")
_HOOKS = (
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_backward_hooks",
    "_backward_pre_hooks",
)
_BATCH_NORMS = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 5: nn.BatchNorm3d}
Outputs = Callable[[], Sequence[Tensor]]


def unwrap_root(net: object) -> object:
    """The net inside DataParallel, DistributedDataParallel, torch.compile and averages of weights."""
    while type(net).__name__ in _WRAPPERS:
        net = next(getattr(net, key) for key in _INSIDE if hasattr(net, key))
    return net


def unwrap_layers(net: nn.Module, image_BCHW: Tensor) -> list[str]:
    """Gives every layer of a net in evaluation plain parameters, in place; what was done, for people."""
    done: Counter[str] = Counter()
    with torch.no_grad():
        dims = _input_dims(net, image_BCHW)
    for name, module in net.named_modules():
        if isinstance(module, nn.SyncBatchNorm):
            _make_local(module, dims.get(name, 4))
            done["SyncBatchNorm became BatchNorm"] += 1
        done["weight_norm or spectral_norm written into the weights"] += _write_norms(module)
        done["pruning masks written into the weights, which may grow again"] += _write_masks(module)
        done["parametrizations written into the weights"] += _write_parametrizations(module)
    return [f"{what} ({count})" for what, count in done.items() if count]


def unwrap_children(net: nn.Module) -> list[str]:
    """Takes wrappers off parts of the net, in place; what was done."""
    count = 0
    for module in list(net.modules()):
        for key, child in module._modules.items():
            plain = unwrap_root(child)
            if plain is not child and isinstance(plain, nn.Module):
                module._modules[key] = plain
                count += 1
    return [f"wrappers taken off {count} layers"] if count else []


def _input_dims(net: nn.Module, image_BCHW: Tensor) -> dict[str, int]:
    """How many dimensions the tensor has that each module is given first, in one forward."""
    dims: dict[str, int] = {}
    handles = []
    for name, module in net.named_modules():

        def note(_: nn.Module, given: Any, name: str = name) -> None:
            if given and isinstance(given[0], Tensor):
                dims[name] = given[0].ndim

        handles.append(module.register_forward_pre_hook(note))
    try:
        with unchanged(net):
            net(image_BCHW)
    finally:
        for handle in handles:
            handle.remove()
    return dims


def _make_local(norm: nn.SyncBatchNorm, ndim: int) -> None:
    """The batch norm of one process; timm's, which has an activation, keeps it."""
    vars(norm).pop("process_group", None)
    if hasattr(norm, "act"):
        from timm.layers import BatchNormAct2d

        norm.__class__ = BatchNormAct2d
    else:
        norm.__class__ = _BATCH_NORMS.get(ndim, nn.BatchNorm2d)  # type: ignore[assignment]


def _write_norms(module: nn.Module) -> int:
    hooks = [hook for hook in module._forward_pre_hooks.values() if isinstance(hook, WeightNorm | SpectralNorm)]
    for hook in hooks:
        is_frozen = _is_frozen(module, hook.name)
        (remove_weight_norm if isinstance(hook, WeightNorm) else remove_spectral_norm)(module, hook.name)
        module._parameters[hook.name].requires_grad_(not is_frozen)  # type: ignore[union-attr]
    return len(hooks)


def _write_masks(module: nn.Module) -> int:
    hooks = [hook for hook in module._forward_pre_hooks.values() if isinstance(hook, prune.BasePruningMethod)]
    for hook in hooks:
        is_frozen = _is_frozen(module, hook._tensor_name)
        prune.remove(module, hook._tensor_name)
        module._parameters[hook._tensor_name].requires_grad_(not is_frozen)  # type: ignore[union-attr]
    return len(hooks)


def _is_frozen(module: nn.Module, name: str) -> bool:
    """Whether nothing that a tensor is made of is trained."""
    parts = [value for key, value in module._parameters.items() if key.startswith(f"{name}_") and value is not None]
    return bool(parts) and not any(part.requires_grad for part in parts)


def _write_parametrizations(module: nn.Module) -> int:
    if not parametrize.is_parametrized(module):
        return 0
    _own_class(module)
    lists = module.parametrizations
    assert isinstance(lists, nn.ModuleDict)
    names = list(lists)
    for name in names:
        held = lists[name]
        is_parameter = any(isinstance(original, nn.Parameter) for original in held.parameters(recurse=False))
        parametrize.remove_parametrizations(module, name, leave_parametrized=True)
        if is_parameter and name not in module._parameters:  # torch leaves what was made of frozen ones a plain tensor
            plain = getattr(module, name).detach()
            module._buffers.pop(name, None)
            vars(module).pop(name, None)
            module.register_parameter(name, nn.Parameter(plain, requires_grad=False))
    return len(names)


def _own_class(module: nn.Module) -> None:
    """Gives a copied module a class of its own: torch puts parametrizations into a class that copies share."""
    kind = type(module)
    content = {key: value for key, value in vars(kind).items() if key not in ("__dict__", "__weakref__")}
    module.__class__ = type(kind.__name__, kind.__bases__, content)


def drop_hooks(net: nn.Module, outputs: Outputs) -> list[str]:
    """Takes off the hooks that only watch; those without which the net computes something else stay."""
    hooked = [module for module in net.modules() if any(getattr(module, key, None) for key in _HOOKS)]
    if not hooked:
        return []
    reference = outputs()
    dropped = 0
    for module in hooked:
        held = {key: dict(getattr(module, key)) for key in _HOOKS if getattr(module, key, None)}
        for key in held:
            getattr(module, key).clear()
        if all(torch.equal(old, new) for old, new in zip(reference, outputs(), strict=True)):
            dropped += 1
            continue
        for key, hooks in held.items():
            getattr(module, key).update(hooks)
    return [f"hooks that only watch taken off {dropped} modules"] if dropped else []
