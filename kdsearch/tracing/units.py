"""Channel units: the identities that tracing sends through a net, which of them are one, and which must stay.

A unit is one output channel of one layer (or one element of a bare vector parameter). Two units that meet in an
elementwise operation must be kept or dropped together: they are tied. A unit that something of fixed size depends on is
frozen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Ids = NDArray[np.int64]
Port = tuple[str, int]
"""A dimension of a parameter or buffer, or of a layer: ("conv.weight", 0), ("conv:in", 0)."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A tensor that the full net computed: by which operator, its shape, and its label if it has one."""

    operator: str
    shape: tuple[int, ...]
    label: Tensor | None


class UnitMismatchError(RuntimeError):
    """A cropped net brought other channels to a place than the crop says."""


class Ledger(Protocol):
    """What tracing reports to: the recorder of the full net's units, or the check of a cropped net."""

    def arrive(self, port: Port, units: Tensor) -> None:
        """Units that a port receives from outside."""

    def leave(self, port: Port, count: int) -> Tensor | None:
        """The units that a port gives off; None for one channel, which fits whatever it is broadcast to."""

    def tie(self, first: Tensor, second: Tensor) -> None:
        """Units that must be kept or dropped together, element by element."""

    def pair(self, first: Tensor, second: Tensor) -> None:
        """Units of pieces that have one size in the full net, and are to have one size always."""

    def freeze(self, units: Tensor, reason: str) -> None:
        """Units that must be kept."""

    def fix(self, units: Tensor, reason: str) -> None:
        """Units that meet places of fixed size."""

    def single(self, units: Tensor, reason: str) -> Tensor | None:
        """The label of a tensor all of whose elements belong to one unit."""

    def see(self, module: str, mark: Mark) -> None:
        """What an operator or a layer gave in the module whose forward is running."""


@dataclass(slots=True)
class UnitRecorder:
    """The units of a full net: ``ports`` holds which units each port has."""

    count: int = 0
    ports: dict[Port, Tensor] = field(default_factory=dict)
    tied: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    frozen: list[tuple[Tensor, str]] = field(default_factory=list)
    marks: dict[str, list[Mark]] = field(default_factory=dict)

    def arrive(self, port: Port, units: Tensor) -> None:
        known = self.ports.setdefault(port, units)
        if known is units:
            return
        reason = f"{port[0].removesuffix(':in')} also reads a tensor of fixed size"
        for here, there in ((known, units), (units, known)):
            if bool(((here == 0) & (there > 0)).any()):
                self.freeze(there[here == 0], reason)
        self.tie(known, units)

    def leave(self, port: Port, count: int) -> Tensor | None:
        if port not in self.ports:
            self.ports[port] = torch.arange(self.count + 1, self.count + 1 + count, device="cpu")
            self.count += count
            if count == 1:
                self.freeze(self.ports[port], "gives a single channel")
        return self.ports[port] if count > 1 else None

    def tie(self, first: Tensor, second: Tensor) -> None:
        pairs = torch.stack(torch.broadcast_tensors(first, second)).reshape(2, -1)
        pairs = pairs[:, pairs[0] != pairs[1]]
        if pairs.shape[1]:
            pairs = torch.unique(pairs, dim=1)
            self.tied.append((pairs[0], pairs[1]))

    def pair(self, first: Tensor, second: Tensor) -> None:
        self.tie(first, second)

    def freeze(self, units: Tensor, reason: str) -> None:
        self.frozen.append((torch.unique(units), reason))

    def fix(self, units: Tensor, reason: str) -> None:
        self.freeze(units, reason)

    def single(self, units: Tensor, reason: str) -> Tensor | None:
        self.freeze(units, reason)
        return None

    def see(self, module: str, mark: Mark) -> None:
        self.marks.setdefault(module, []).append(mark)


@dataclass(frozen=True, slots=True)
class UnitClasses:
    """Units that must go together: ``root_of`` maps a unit to its class; ``reasons`` why a class is frozen.

    Unit 0 is no unit: places of fixed size.
    """

    root_of: Ids
    reasons: dict[int, str]

    def of(self, units: Tensor) -> Ids:
        """The classes of these units."""
        return self.root_of[units.reshape(-1).numpy()]


def classify(recorder: UnitRecorder) -> UnitClasses:
    """The classes that the recorded ties make; a class is frozen by its first frozen unit, or by a tie to unit 0."""
    first = np.concatenate([np.zeros(0, np.int64), *(pair[0].numpy() for pair in recorder.tied)])
    second = np.concatenate([np.zeros(0, np.int64), *(pair[1].numpy() for pair in recorder.tied)])
    roots = _roots(recorder.count + 1, first, second)
    reasons: dict[int, str] = {}
    for units, reason in recorder.frozen:
        for root in np.unique(roots[units.numpy()]).tolist():
            reasons.setdefault(root, reason)
    reasons.setdefault(int(roots[0]), "meets a tensor of fixed size")
    return UnitClasses(roots, reasons)


def _roots(count: int, first: Ids, second: Ids) -> Ids:
    """The smallest unit of each unit's class: every pair lowers the roots of both sides until nothing changes."""
    roots = np.arange(count, dtype=np.int64)
    while True:
        low = np.minimum(roots[first], roots[second])
        before = roots.copy()
        np.minimum.at(roots, before[first], low)
        np.minimum.at(roots, before[second], low)
        roots = roots[roots]
        if np.array_equal(before, roots) and np.array_equal(roots[first], roots[second]):
            return roots
