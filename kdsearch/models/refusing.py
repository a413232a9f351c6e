"""Nets from which no student can be made, each refused in a line that says what to pass instead."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from kdsearch.errors import SpecError, first_line
from kdsearch.models.main_output import find_outputs
from kdsearch.tracing.copying import inner_values, is_lazy
from kdsearch.tracing.modes import training_steadily
from kdsearch.tracing.swap import Slots, swapped
from kdsearch.tracing.tracer import FOREIGN_ERRORS

_PREPARING = ("torch.ao.quantization", "torchao.quantization")
_PREPARED = ("FakeQuant", "Observer")  # in the names of classes that prepare a net for int8
_QUANTISED = ("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized", "torch.ao.nn.sparse.quantized")
_QAT = ("torch.ao.nn.qat", "torch.ao.nn.intrinsic.qat", "torch.ao.nn.quantizable")


def refuse_unusable(net: object, who: str) -> None:
    """Raises SpecError for what is no module, or one whose parameters are no plain numbers."""
    if isinstance(net, type):
        raise SpecError(f"{who} is the class {net.__name__}; pass a net made of it: {net.__name__}()")
    if not isinstance(net, nn.Module):
        raise SpecError(f"{who} is a {type(net).__name__}; pass a torch.nn.Module")
    for name, module in net.named_modules():
        if why := _why_module(module):
            raise SpecError(f"{who} {why}{f' (at {name})' if name else ''}")
    tensors = [*net.named_parameters(), *net.named_buffers()]
    for name, tensor in tensors:
        if why := _why_tensor(tensor):
            raise SpecError(f"{who} {why} (at {name})")
    if not any(isinstance(tensor, nn.Parameter) for _, tensor in tensors):
        raise SpecError(f"{who} has no parameter; pass a net with convolutions or linear layers")


def _why_module(module: nn.Module) -> str | None:
    kind = type(module)
    if isinstance(module, torch.jit.ScriptModule | torch.jit.ScriptFunction):
        return "is TorchScript; pass the torch.nn.Module that it was made from"
    if kind.__module__.startswith(_QUANTISED):
        return "is converted to int8; pass the float net that it was made from"
    if kind.__module__.startswith(_QAT) or (
        kind.__module__.startswith(_PREPARING) and any(word in kind.__name__ for word in _PREPARED)
    ):
        return "is prepared for quantisation; pass the float net, before prepare or prepare_qat"
    if "FullyShardedDataParallel" in kind.__name__:
        return "is sharded over processes; pass the net inside it, with all of its parameters"
    if isinstance(module, torch.fx.GraphModule) and "train" in vars(module):  # a method that raises
        return "is a program of torch.export, which cannot be trained; pass the torch.nn.Module that it was made from"
    return None


def _why_tensor(tensor: Tensor) -> str | None:
    if is_lazy(tensor):
        return None
    if tensor.is_meta:
        return (
            "lies on the meta device, without values; make it on the CPU: net.to_empty(device='cpu'), then its weights"
        )
    if tensor.is_quantized or (not tensor.is_floating_point() and _is_trainable_kind(tensor)):
        return f"has {tensor.dtype} parameters; pass a net of real numbers"
    if tensor.layout != torch.strided:
        return f"has parameters of layout {tensor.layout}; make them dense: tensor.to_dense()"
    if type(tensor) not in (Tensor, nn.Parameter, nn.Buffer):
        return f"has parameters of the kind {type(tensor).__name__}; pass a net with plain parameters"
    return None


def _is_trainable_kind(tensor: Tensor) -> bool:
    return tensor.is_complex() and isinstance(tensor, nn.Parameter)


def refuse_hidden_modules(net: nn.Module, who: str) -> None:
    """Raises SpecError where a list or another object holds layers that the net does not know as its own."""
    known = {id(parameter) for parameter in net.parameters()}
    for path, module in net.named_modules():
        held = {key: value for key, value in vars(module).items() if not key.startswith("_")}
        for key, value in held.items():
            if any(id(parameter) not in known for parameter in _parameters_in(value)):
                where = f"{path}.{key}" if path else key
                raise SpecError(
                    f"{who} keeps layers in {where}, where torch does not see them; use nn.ModuleList, "
                    "nn.ModuleDict or nn.ParameterList"
                )


def _parameters_in(value: Any, depth: int = 4) -> Iterator[nn.Parameter]:
    if isinstance(value, nn.Module):
        yield from value.parameters()
    elif isinstance(value, nn.Parameter):
        yield value
    elif depth and not isinstance(value, type | Tensor):
        for inner in inner_values(value):
            yield from _parameters_in(inner, depth - 1)


def refuse_untrainable(net: nn.Module, image_BCHW: Tensor, who: str) -> None:
    """Raises SpecError where the path that training takes does not run on images alone."""
    try:
        with training_steadily(net), torch.no_grad():
            net(image_BCHW)
    except FOREIGN_ERRORS as error:
        raise SpecError(
            f"{who} does not run in training mode: {first_line(error)}; let its forward take images alone"
        ) from error


def refuse_without_gradients(net: nn.Module, image_BCHW: Tensor, who: str) -> None:
    """Raises SpecError where a backward pass fails, as it does behind some operations in place, or reaches nothing."""
    try:
        with training_steadily(net):
            found = [tensor for tensor in find_outputs(net(image_BCHW)).values() if tensor.requires_grad]
        if found:
            torch.stack([tensor.float().sum() for tensor in found]).sum().backward()
    except FOREIGN_ERRORS as error:
        raise SpecError(
            f"{who} cannot be trained: its backward pass fails: {first_line(error)}; change what it does in place"
        ) from error
    finally:
        net.zero_grad(set_to_none=True)
    if not found:
        raise SpecError(f"{who} cannot be trained: what it gives depends on no parameter; do not detach it")


def refuse_foreign_tensors(net: nn.Module, image_BCHW: Tensor, who: str) -> None:
    """Raises SpecError where a copied net computes with another net's parameters, as a patched forward does."""
    patched = [module for module in net.modules() if "forward" in vars(module)]
    for module in (net, *patched):
        if not _matters(net, module, image_BCHW):
            raise SpecError(
                f"{who} does not compute with its own parameters once it is copied: a forward was replaced on "
                "the object; write it into the class"
            )


def _matters(net: nn.Module, module: nn.Module, image_BCHW: Tensor) -> bool:
    """Whether the net's output changes with this module's parameters."""
    own = {id(parameter) for parameter in module.parameters()}
    slots = Slots.of(net)
    nothing: dict[str, Tensor | None] = {
        name: torch.full_like(tensor, torch.nan)
        for name, tensor in slots.tensors().items()
        if id(tensor) in own and tensor.is_floating_point()
    }
    try:
        with torch.no_grad(), swapped(slots, nothing):
            found = find_outputs(net(image_BCHW)).values()
    except FOREIGN_ERRORS:  # it looks at its numbers, so these parameters are among them
        return True
    return not nothing or any(not bool(tensor.isfinite().all()) for tensor in found)


def refuse_frozen(net: nn.Module, who: str) -> None:
    """Raises SpecError where no parameter is trained."""
    if not any(parameter.requires_grad for parameter in net.parameters()):
        raise SpecError(
            f"{who} is frozen: no parameter requires a gradient; unfreeze what shall be trained: "
            "net.requires_grad_(True)"
        )
