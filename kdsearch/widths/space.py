"""The channel groups of any net, and everything that follows from a gene: crop, call, compact build, costs."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from kdsearch.candidates.space import Candidate, Choice
from kdsearch.cost.flops import CostModel
from kdsearch.costs import FILE_SIZE
from kdsearch.errors import WidthError, first_line
from kdsearch.tracing.swap import swapped
from kdsearch.tracing.tracer import FOREIGN_ERRORS
from kdsearch.tracing.units import Ids
from kdsearch.widths.compact import build_compact
from kdsearch.widths.crop import Crop
from kdsearch.widths.groups import ChannelGroup
from kdsearch.widths.layout import Layout
from kdsearch.widths.parity import find_gaps

log = logging.getLogger(__name__)

_PARITY = 1e-5
_PARITY_AT_WORK = (
    1e-3  # coarser: relative to how images differ, rounding alone is 4e-5 in a deep net without batch norm
)


@dataclass(frozen=True, slots=True)
class WidthParts:
    """What ``find_widths`` found. ``layers``: (layer, number of its output dimension, full channels) in call order."""

    groups: tuple[ChannelGroup, ...]
    frozen: tuple[tuple[str, str], ...]
    layout: Layout
    costs: CostModel
    layers: tuple[tuple[str, int, int], ...]
    image_shape: tuple[int, int, int]


class WidthSpace:
    """The genes of a net: one kept width a channel group.

    ``frozen`` names the layers that stay at full width, each with the reason. A gene is a candidate whose names are
    the groups' names and whose values are kept channels; real parameters beside them, such as the weight of a loss, are
    no concern of the net's.
    """

    def __init__(self, parts: WidthParts) -> None:
        self.groups = parts.groups
        self.frozen = parts.frozen
        self.layout = parts.layout
        self.net = parts.layout.net
        self.image_shape = parts.image_shape
        self.overhead_bytes = 0
        """What an exported file has beside the weights, where planning measured it: ``size_bytes`` counts it."""
        self._costs = parts.costs
        self._layers = parts.layers
        names = [group.name for group in parts.groups]
        self._sorted_names = tuple(sorted(names))
        self._order = np.array([self._sorted_names.index(name) for name in names], dtype=np.int64)
        self._divisors = np.array([group.multiplicity for group in parts.groups], dtype=np.int64)
        self._full = np.array([len(group.roots) for group in parts.layout.grouping.groups], dtype=np.int64)
        self._decode = lru_cache(maxsize=32)(self._decode_anew)

    def parameters(self) -> tuple[Choice, ...]:
        """The search space: one choice of kept channels a group."""
        return tuple(Choice(group.name, group.choices) for group in self.groups)

    @property
    def full(self) -> Candidate:
        """The gene of the full net."""
        return Candidate.of({group.name: group.width for group in self.groups}, "full")

    @property
    def smallest(self) -> Candidate:
        """The gene with every group at its smallest choice."""
        return Candidate.of({group.name: group.choices[0] for group in self.groups}, "smallest")

    def uniform(self, scale: float) -> Candidate:
        """The gene with every group at the choice nearest to ``scale`` times its full width."""
        nearest = {g.name: min(g.choices, key=lambda width: abs(width - scale * g.width)) for g in self.groups}
        return Candidate.of(nearest, "uniform")

    def draw_scales(self, rng: np.random.Generator) -> Candidate:
        """A gene with every group at a scale of its own, all scales alike, as MetaPruning draws them."""
        drawn = {group.name: int(rng.choice(group.scaled or group.choices)) for group in self.groups}
        return Candidate.of(drawn, "random scales")

    def kept(self, gene: Candidate) -> Ids:
        """How many classes each group keeps, in the order of ``groups``.

        Raises:
            WidthError: the gene is not one of this net.
        """
        pairs = [pair for pair in gene.pairs if not isinstance(pair[1], float)]
        names = tuple(name for name, _ in pairs)
        if names != self._sorted_names:
            wrong = sorted(set(names) ^ set(self._sorted_names))
            raise WidthError(
                f"the gene does not fit the net: {', '.join(wrong)} is in one of them only; use a gene of this net"
            )
        values = np.array([value for _, value in pairs], dtype=np.int64)
        kept: Ids = values[self._order] // self._divisors
        if (kept < 1).any() or (kept > self._full).any():
            at = int(np.argmax((kept < 1) | (kept > self._full)))
            group = self.groups[at]
            raise WidthError(
                f"{group.name} keeps {dict(gene.pairs)[group.name]} channels; it may keep at most {group.width}"
            )
        return kept

    def decode(self, gene: Candidate) -> Crop:
        """What each tensor keeps; the last 32 genes are remembered."""
        return self._decode(gene)

    def _decode_anew(self, gene: Candidate) -> Crop:
        return self.layout.decode(self.kept(gene))

    def crop(self, gene: Candidate, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The crops of tensors that are shaped and named like the net's own; views where leading slices are kept."""
        crop = self.decode(gene)
        return {name: crop.take(name, tensor) for name, tensor in tensors.items()}

    def applied(
        self, gene: Candidate, tensors: Mapping[str, Tensor | None] | None = None
    ) -> AbstractContextManager[None]:
        """Inside this context the net itself runs cropped, on these cropped tensors (its own crops by default).

        Tensors that are not named stay the net's own. A batch norm whose running buffers are None uses the statistics
        of the batch and updates nothing.
        """
        if tensors is None:
            tensors = self.crop(gene, self.layout.slots.tensors())
        return swapped(self.layout.slots, tensors, self.decode(gene).settings)

    def build(self, gene: Candidate, tensors: Mapping[str, Tensor] | None = None) -> nn.Module:
        """The compact net: a plain module with its own contiguous weights, cropped from full ``tensors`` or its own."""
        return build_compact(self.layout, self.decode(gene), tensors)

    def costs(self, gene: Candidate) -> dict[str, int]:
        """``macs`` of one image, ``parameters`` and ``size_bytes``, in closed form."""
        found = self._costs.costs(self.kept(gene))
        return found | {FILE_SIZE: found[FILE_SIZE] + self.overhead_bytes} if self.overhead_bytes else found

    def layer_widths(self, gene: Candidate) -> list[tuple[str, int, int]]:
        """(layer, full output channels, kept output channels) of every convolution and linear layer in call order."""
        lengths = self._costs.lengths(self.kept(gene))
        return [(name, full, int(lengths[number]) if number else full) for name, number, full in self._layers]

    def touches(self, name: str) -> tuple[int, ...]:
        """The positions in ``groups`` of the groups that change the size of this parameter or buffer."""
        return self.layout.touches(name)

    def croppable_share(self) -> float:
        """The share of the full net's MACs in layers whose input or output channels some gene changes."""
        products, lengths = self._costs.macs, self._costs.lengths(self._full)
        moving = (self._costs.slope != 0).any(axis=1)
        macs = products.coefficient * lengths[products.first] * lengths[products.second]
        return float(macs[moving[products.first] | moving[products.second]].sum() / max(1, macs.sum()))

    def verify(self, gene: Candidate, images: Tensor | Sequence[Tensor]) -> float:
        """How far cropped forward and compact build differ, at most.

        Compared on these images as the net stands, relative to max(1, largest output), and on random patterns with
        every channel at work, relative to how far their outputs lie apart (``kdsearch.widths.parity``).

        Raises:
            WidthError: one of them does not run or gives another shape than the full net; they differ by more than
                1e-5, or with every channel at work by more than 1e-3.
        """
        batch = images if isinstance(images, Tensor) else torch.stack(list(images))
        try:
            gap, gap_at_work = find_gaps(self, gene, batch)
        except WidthError:
            raise
        except FOREIGN_ERRORS as error:
            raise WidthError(f"the net does not run at the widths of {gene.values}: {first_line(error)}") from error
        if not gap <= _PARITY:
            raise WidthError(f"the cropped net and its compact build differ by {gap:.2g} (allowed: {_PARITY:g})")
        if gap_at_work is None:
            log.warning("the net says nearly the same of any image, so that its crops could hardly be compared")
            return gap
        if not gap_at_work <= _PARITY_AT_WORK:
            raise WidthError(
                f"the cropped net and its compact build differ by {gap_at_work:.2g} of what images differ by, once all "
                f"of its channels matter (allowed: {_PARITY_AT_WORK:g})"
            )
        return max(gap, gap_at_work)
