"""MACs, parameters and bytes of a net: counted on a module, or in closed form as a function of kept channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from kdsearch.tracing.unchanged import unchanged
from kdsearch.tracing.unread import find_unread

Ints = NDArray[np.int64]


def count_macs(net: nn.Module, image_shape: Sequence[int]) -> int:
    """Multiply-accumulates of one image through convolutions and matrix products (torch's FlopCounterMode / 2)."""
    device = next((p.device for p in net.parameters()), torch.device("cpu"))
    training = net.training
    net.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, *image_shape, device=device))
    net.train(training)
    return int(counter.get_total_flops()) // 2


def count_parameters(net: nn.Module) -> int:
    """Elements of all parameters, shared ones once."""
    return sum(p.numel() for p in net.parameters())


def count_bytes(net: nn.Module) -> int:
    """Bytes of all parameters and buffers as 32-bit floats, buffers that are not saved included."""
    return 4 * (count_parameters(net) + sum(b.numel() for b in net.buffers()))


def count_costs(net: nn.Module, image_shape: Sequence[int]) -> dict[str, int]:
    """Every cost that has a closed form, counted on the net itself; what evaluation never reads costs nothing."""
    device = next((p.device for p in net.parameters()), torch.device("cpu"))
    with unchanged(net):
        unread = find_unread(net, torch.zeros(1, *image_shape, device=device))
    parameters = sum(p.numel() for name, p in net.named_parameters() if name not in unread)
    buffers = sum(b.numel() for name, b in net.named_buffers() if name not in unread)
    return {
        "macs": count_macs(net, image_shape),
        "parameters": parameters,
        "size_bytes": 4 * (parameters + buffers),
    }


@dataclass(frozen=True, slots=True)
class Products:
    """A sum of products ``coefficient * length[first] * length[second]``."""

    coefficient: Ints
    first: Ints
    second: Ints

    @classmethod
    def of(cls, rows: Sequence[tuple[int, int, int]]) -> Products:
        """The sum of these (coefficient, first, second) rows; rows of the same lengths are merged."""
        merged: dict[tuple[int, int], int] = {}
        for coefficient, first, second in rows:
            key = (min(first, second), max(first, second))
            merged[key] = merged.get(key, 0) + coefficient
        table = np.array([(c, a, b) for (a, b), c in merged.items()], dtype=np.int64).reshape(-1, 3)
        return cls(table[:, 0].copy(), table[:, 1].copy(), table[:, 2].copy())

    def total(self, lengths: Ints) -> int:
        """The sum at these lengths."""
        return int(self.coefficient @ (lengths[self.first] * lengths[self.second]))


@dataclass(frozen=True, slots=True)
class CostModel:
    """Costs in closed form: every length is ``base + slope @ kept``, every cost a sum of products of two lengths.

    Length 0 is the constant 1. ``kept`` counts the kept classes of each channel group.
    """

    base: Ints
    slope: Ints
    macs: Products
    parameters: Products
    buffers: Products

    def lengths(self, kept: Ints) -> Ints:
        """Every length when each group keeps so many classes."""
        return self.base + self.slope @ kept

    def costs(self, kept: Ints) -> dict[str, int]:
        """``macs`` of one image, ``parameters``, and ``size_bytes`` of parameters and buffers as 32-bit floats."""
        lengths = self.lengths(kept)
        parameters = self.parameters.total(lengths)
        size_bytes = 4 * (parameters + self.buffers.total(lengths))
        return {"macs": self.macs.total(lengths), "parameters": parameters, "size_bytes": size_bytes}
