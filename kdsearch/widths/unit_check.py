"""The ledger of a cropped net: do the channels arrive where the crop says they do?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from kdsearch.tracing.labels import varying
from kdsearch.tracing.units import Ids, Mark, Port, UnitMismatchError
from kdsearch.widths.crop import NDArrayBool
from kdsearch.widths.groups import Grouping


@dataclass(slots=True)
class UnitCheck:
    """A ledger that compares a cropped net's units, and the shapes on its way, with those of the full net.

    A group cropped to one class has no order to compare: with such a crop only shapes and numbers of channels are
    checked. ``marks``: what the full net computed in each module. ``is_strict``: each channel is
    told apart from the others.
    """

    grouping: Grouping
    ports: Mapping[Port, Tensor]
    kept: Ids
    marks: Mapping[str, Sequence[Mark]]
    _expected: dict[Port, Tensor] = field(default_factory=dict)
    is_strict: bool = field(init=False)
    _masks: dict[int, NDArrayBool] = field(default_factory=dict)
    _next: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.is_strict = bool((self.kept > 1).all())

    def expected(self, port: Port) -> Tensor:
        """The classes that should be at a port under this crop; 0 stands for all fixed ones."""
        if port not in self._expected:
            units = self.ports[port]
            self._expected[port] = torch.from_numpy(self.grouping.identities(units)[self._mask(units)])
        return self._expected[port]

    def _mask(self, units: Tensor) -> NDArrayBool:
        """Which of these units the crop keeps."""
        vector = self.grouping.vector(units)
        if id(vector) not in self._masks:
            self._masks[id(vector)] = vector.mask(self.kept)
        return self._masks[id(vector)]

    def arrive(self, port: Port, units: Tensor) -> None:
        expected, name = self.expected(port), port[0].removesuffix(":in")
        if units.numel() != len(expected):
            raise UnitMismatchError(f"{units.numel()} channels arrive at {name}, the crop keeps {len(expected)}")
        if self.is_strict and not torch.equal(expected, units.reshape(-1)):
            raise UnitMismatchError(f"other channels arrive at {name} than the crop keeps")

    def leave(self, port: Port, count: int) -> Tensor | None:
        if port not in self.ports or len(self.ports[port]) == 1:
            return None
        units = self.expected(port)
        if len(units) != count:
            name = port[0].removesuffix(":out")
            raise UnitMismatchError(f"{name} gives {count} channels, the crop keeps {len(units)}")
        return units if self.is_strict else None

    def tie(self, first: Tensor, second: Tensor) -> None:
        try:
            first, second = torch.broadcast_tensors(first, second)
        except RuntimeError:
            raise UnitMismatchError("unlike numbers of channels meet") from None
        if not torch.equal(first, second):
            raise UnitMismatchError("channels meet that the crop takes for different ones")

    def pair(self, first: Tensor, second: Tensor) -> None:
        """Nothing: unlike pieces may get one size by chance."""

    def freeze(self, units: Tensor, reason: str) -> None:
        """Nothing: what is frozen is known."""

    def fix(self, units: Tensor, reason: str) -> None:
        if bool((units != 0).any()):
            raise UnitMismatchError(reason)

    def single(self, units: Tensor, reason: str) -> Tensor | None:  # noqa: ARG002
        return units

    def see(self, module: str, mark: Mark) -> None:
        """Compares a shape, but in a module that comes to run other operators at other sizes."""
        at = self._next.get(module, 0)
        known = self.marks.get(module, ())
        if at >= len(known) or known[at].operator != mark.operator:
            self._next[module] = len(known)
            return
        self._next[module] = at + 1
        expected = self._shape(known[at])
        if expected is not None and expected != mark.shape:
            raise UnitMismatchError(f"{mark.operator or 'it'} gives the shape {mark.shape}, the crop keeps {expected}")

    def _shape(self, mark: Mark) -> tuple[int, ...] | None:
        if mark.label is None or mark.label.ndim != len(mark.shape) or len(varying(mark.label)) != 1:
            return None
        shape, dim = list(mark.shape), varying(mark.label)[0]
        shape[dim] = int(np.count_nonzero(self._mask(mark.label)))
        return tuple(shape)
