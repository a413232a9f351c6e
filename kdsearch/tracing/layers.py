"""How layers with parameters pass channel units on, and which dimensions of their parameters follow which units."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from kdsearch.tracing.labels import Label, along, lay, no_units, varying
from kdsearch.tracing.units import Ledger

MAPPING = (_ConvNd, nn.Linear)
NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.PReLU)


@dataclass(frozen=True, slots=True)
class Through:
    """The label of a layer's output, and the units by whose number its MACs grow."""

    label: Label
    units_in: Tensor | None = None
    units_out: Tensor | None = None


def is_layer(module: nn.Module) -> bool:
    """Whether the module is taken as a whole: a known kind that holds all its parameters itself."""
    if not isinstance(module, MAPPING + NORMS):
        return False
    if isinstance(module, MAPPING) and "weight" not in module._parameters:
        return False
    return all(parameter is None for child in module.children() for parameter in child.parameters())


def label_through_layer(
    ledger: Ledger, name: str, module: nn.Module, source: tuple[Label, tuple[int, ...]], shape: tuple[int, ...]
) -> Through:
    """What the layer makes of its input's units. ``source``: label and shape of its input; ``shape``: its output's."""
    label, source_shape = source
    dim = channel_dim(module, label, source_shape)
    if label is not None and any(other != dim for other in varying(label)):
        return _beside_channels(ledger, name, module, source, shape)
    units = along(label, dim)
    count = source_shape[dim]
    arriving = no_units(count) if units is None else units.expand(count)
    ledger.arrive((f"{name}:in", 0), arriving)
    if not isinstance(module, MAPPING):
        return Through(label)
    out_dim = dim if not isinstance(module, nn.Linear) else len(shape) - 1
    leaving = ledger.leave((f"{name}:out", 0), shape[out_dim])
    grouped = getattr(module, "groups", 1) > 1
    units_in = None if units is None or is_depthwise(module) else arriving[: count // getattr(module, "groups", 1)]
    if grouped and not splits_groups(module):
        units_in = None
    return Through(lay(leaving, out_dim, len(shape)), units_in, leaving)


def _beside_channels(
    ledger: Ledger, name: str, module: nn.Module, source: tuple[Label, tuple[int, ...]], shape: tuple[int, ...]
) -> Through:
    """The units lie along another dimension than the layer's channels: they pass if that dimension keeps its size."""
    label, source_shape = source
    assert label is not None
    reason = f"{name} works on its channels as positions"
    dim = channel_dim(module, None, source_shape)
    ledger.arrive((f"{name}:in", 0), no_units(source_shape[dim]))
    if isinstance(module, MAPPING):
        leaving = ledger.leave((f"{name}:out", 0), shape[dim])
        if leaving is not None:
            ledger.freeze(leaving, reason)
    kept = len(shape) == len(source_shape) and all(shape[at] == source_shape[at] and at != dim for at in varying(label))
    if not kept:
        ledger.freeze(label.reshape(-1), reason)
        return Through(None)
    return Through(label, units_out=label.reshape(-1) if isinstance(module, MAPPING) else None)


def channel_dim(module: nn.Module, label: Label, shape: tuple[int, ...]) -> int:
    """The dimension that the layer takes as its channels.

    Layer norms work on the last dimension or, in subclasses for images, on dimension 1: the one that has the layer's
    size and carries units, else the last.
    """
    if isinstance(module, nn.Linear):
        return len(shape) - 1
    if isinstance(module, _ConvNd):
        return len(shape) - len(module.kernel_size) - 1
    if isinstance(module, nn.LayerNorm):
        size = module.normalized_shape[0]
        last = len(shape) - 1
        fits = [dim for dim in (last, 1) if dim < len(shape) and shape[dim] == size]
        carrying = [dim for dim in fits if label is not None and label.shape[dim] > 1]
        return (carrying or fits or [last])[0]
    return min(1, len(shape) - 1)


def is_depthwise(module: nn.Module) -> bool:
    """Whether each filter reads one input channel."""
    return isinstance(module, _ConvNd) and module.groups > 1 and module.groups == module.in_channels


def splits_groups(module: nn.Module) -> bool:
    """Whether a grouped convolution keeps its groups and narrows each (else it drops whole groups)."""
    if not isinstance(module, _ConvNd) or module.groups == 1:
        return False
    return module.in_channels // module.groups >= module.groups


def is_transposed(module: nn.Module) -> bool:
    """Whether the weight's first dimension is the input's."""
    return isinstance(module, _ConvTransposeNd)
