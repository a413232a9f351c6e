"""Which units each dimension of each parameter follows, and which sizes a layer remembers, once a net is traced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from kdsearch.tracing.layers import MAPPING, is_depthwise, is_transposed, splits_groups
from kdsearch.tracing.units import UnitRecorder

Place = tuple[str, str, int | None]
"""A module, an attribute of it, and the position in it (None: the whole)."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """A number that a module remembers: the count of kept ``units``, divided by ``divisor``.

    ``position``: where it stands in a tuple or list; None for a plain number.
    """

    module: str
    name: str
    units: Tensor
    divisor: int = 1
    position: int | None = None

    @property
    def place(self) -> Place:
        """Where the number stands."""
        return self.module, self.name, self.position

    @property
    def meaning(self) -> bytes:
        """What the number is taken for, told apart from what others are."""
        return self.divisor.to_bytes(4, "little") + self.units.numpy().tobytes()


@dataclass(slots=True)
class LayerWiring:
    """Adds a net's layers to the recorder, one after another, and collects the sizes that they remember."""

    recorder: UnitRecorder
    names: Mapping[int, str]
    attributes: list[Attribute]

    def add(self, name: str, module: nn.Module) -> None:
        """Adds the ports, ties and sizes of one layer."""
        arriving = self.recorder.ports[f"{name}:in", 0]
        if not isinstance(module, MAPPING):
            self._add_norm(name, module, arriving)
            return
        leaving = self.recorder.ports[f"{name}:out", 0]
        if isinstance(module, _ConvNd):
            self._add_convolution(name, module, arriving, leaving)
        else:
            self._weight(module, leaving, arriving)
            self._remember(name, in_features=arriving, out_features=leaving)
        self._add_extras(name, module, arriving, leaving)

    def _add_convolution(self, name: str, conv: _ConvNd, arriving: Tensor, leaving: Tensor) -> None:
        self._remember(name, in_channels=arriving, out_channels=leaving)
        groups = conv.groups
        per_group = len(arriving) // groups
        if groups == 1:
            self._weight(conv, *((arriving, leaving) if is_transposed(conv) else (leaving, arriving)))
        elif is_transposed(conv):
            self._freeze((arriving, leaving), f"{name} is a grouped transposed convolution")
        elif splits_groups(conv):
            _tie_rows(self.recorder, arriving.reshape(groups, -1))
            _tie_rows(self.recorder, leaving.reshape(groups, -1))
            self._weight(conv, leaving, arriving[:per_group])
        else:
            _tie_groups(self.recorder, arriving.reshape(groups, -1), leaving.reshape(groups, -1))
            self._weight(conv, leaving, None)
            divisor = 1 if is_depthwise(conv) else per_group
            self.attributes.append(Attribute(name, "groups", arriving, divisor))

    def _add_extras(self, name: str, module: nn.Module, arriving: Tensor, leaving: Tensor) -> None:
        """Biases, gains and what else has one number an output channel; anything wider freezes the layer."""
        for key, parameter in module._parameters.items():
            if key == "weight" or parameter is None or parameter.numel() == 1:
                continue
            if parameter.shape[0] == parameter.numel() == len(leaving):
                self.recorder.arrive((self.names[id(parameter)], 0), leaving)
            else:
                self._freeze((arriving, leaving), f"{name} has a parameter {key} of unknown meaning")

    def _add_norm(self, name: str, module: nn.Module, arriving: Tensor) -> None:
        count = len(arriving)
        for key, tensor in [*module._parameters.items(), *module._buffers.items()]:
            if tensor is None or tensor.numel() == 1:
                continue
            if tensor.shape == (count,):
                self.recorder.arrive((self.names[id(tensor)], 0), arriving)
            else:
                self._freeze((arriving,), f"{name} normalises more than channels: its {key} is {tuple(tensor.shape)}")
        if isinstance(module, nn.LayerNorm):
            self._add_layer_norm(name, module, arriving)
        if isinstance(module, nn.GroupNorm):
            self._add_group_norm(name, module, arriving)
        for key in ("num_features", "num_channels", "num_parameters"):
            if module.__dict__.get(key) == count:
                self.attributes.append(Attribute(name, key, arriving))

    def _add_layer_norm(self, name: str, norm: nn.LayerNorm, arriving: Tensor) -> None:
        if len(norm.normalized_shape) == 1:
            self.attributes.append(Attribute(name, "normalized_shape", arriving, position=0))
        else:
            self._freeze((arriving,), f"{name} normalises more than channels")

    def _add_group_norm(self, name: str, norm: nn.GroupNorm, arriving: Tensor) -> None:
        if norm.num_groups == len(arriving):
            self.attributes.append(Attribute(name, "num_groups", arriving))
        elif norm.num_groups > 1:
            _tie_rows(self.recorder, arriving.reshape(norm.num_groups, -1))

    def _weight(self, module: nn.Module, first: Tensor | None, second: Tensor | None) -> None:
        weight = module._parameters["weight"]
        assert weight is not None
        for dim, units in enumerate((first, second)):
            if units is not None:
                self.recorder.arrive((self.names[id(weight)], dim), units)

    def _remember(self, module: str, **sizes: Tensor) -> None:
        self.attributes.extend(Attribute(module, name, units) for name, units in sizes.items())

    def _freeze(self, units: tuple[Tensor, ...], reason: str) -> None:
        for vector in units:
            self.recorder.freeze(vector, reason)


def _tie_rows(recorder: UnitRecorder, rows: Tensor) -> None:
    """Ties the groups of a layer position by position, so that each keeps the same number."""
    recorder.tie(rows[:1].expand_as(rows), rows)


def _tie_groups(recorder: UnitRecorder, arriving: Tensor, leaving: Tensor) -> None:
    """Ties everything that belongs to one group of a layer, so that whole groups stay or go."""
    rows = torch.cat((arriving, leaving), dim=1)
    recorder.tie(rows[:, :1].expand_as(rows), rows)
