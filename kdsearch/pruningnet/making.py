"""Generators by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdsearch.pruningnet.generators import CondNorm, CondScale, Generator, LowRank, Slim
from kdsearch.pruningnet.paper import Paper

if TYPE_CHECKING:
    from torch import nn

    from kdsearch.widths.space import WidthSpace


def make_generator(
    name: str, net: nn.Module, widths: WidthSpace, *, hidden: int | None = None, rank: int = 2
) -> Generator:
    """The generator ``name`` with ``net``'s weights as its start; ``hidden`` by default 64 for paper, 16 for others.

    Raises:
        ValueError: no generator of that name.
    """
    if name == "slim":
        return Slim(net, widths)
    if name == "condscale":
        return CondScale(net, widths, hidden or 16)
    if name == "condnorm":
        return CondNorm(net, widths, hidden or 16)
    if name == "lowrank":
        return LowRank(net, widths, hidden or 16, rank)
    if name == "paper":
        return Paper(net, widths, hidden or 64)
    raise ValueError(f"unknown generator {name}; known: slim, condnorm, condscale, lowrank, paper")
