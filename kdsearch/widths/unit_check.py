"""The ledger of a cropped net: do the channels arrive where the crop says they do?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kdsearch.tracing.units import Ids, Port, UnitMismatchError
from kdsearch.widths.groups import Grouping


@dataclass(slots=True)
class UnitCheck:
    """A ledger that compares a cropped net's units with those of the full net.

    A group cropped to one class has no order to compare: with such a crop only sizes are checked (``is_strict`` False).
    """

    grouping: Grouping
    ports: Mapping[Port, Tensor]
    kept: Ids
    is_strict: bool = True

    def expected(self, port: Port) -> Tensor:
        """The classes that should be at a port under this crop; 0 stands for all fixed ones."""
        roots = self.grouping.classes.of(self.ports[port])
        named = np.where(self.grouping.group_of[roots] < 0, 0, roots)
        return torch.from_numpy(named[self.grouping.vector(self.ports[port]).mask(self.kept)])

    def arrive(self, port: Port, units: Tensor) -> None:
        if self.is_strict and not torch.equal(self.expected(port), units.reshape(-1)):
            raise UnitMismatchError(f"other channels arrive at {port[0].removesuffix(':in')} than the crop keeps")

    def leave(self, port: Port, count: int) -> Tensor | None:
        if not self.is_strict or port not in self.ports or len(self.ports[port]) == 1:
            return None
        units = self.expected(port)
        if len(units) != count:
            raise UnitMismatchError(
                f"{port[0].removesuffix(':out')} gives {count} channels, the crop keeps {len(units)}"
            )
        return units

    def tie(self, first: Tensor, second: Tensor) -> None:
        if not bool((first == second).all()):
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
