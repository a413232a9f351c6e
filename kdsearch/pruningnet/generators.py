"""The PruningNet: one set of stored tensors from which the weights of every gene are generated.

MetaPruning (Liu et al. 2019) generates the weights of any pruned net from its gene. The generators here share one
interface and differ in how much the gene shapes the weights. Cropping a stored tensor and updating only the crop
(values and momentum) makes a step cost hardly more than a plain step at the same widths: autograd would otherwise pad
each gradient to full size and the optimiser would walk all of it.

Letters: O output channels, I input channels, K further kernel dimensions, H hidden width, R rank.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from kdsearch.errors import SpecError
from kdsearch.pruningnet.crop_descent import Descent, dense_copy, step_on_crop
from kdsearch.widths.crop import Index, take

if TYPE_CHECKING:
    from kdsearch.candidates.space import Candidate
    from kdsearch.widths.space import WidthSpace


@dataclass(slots=True)
class Draft:
    """The weights generated for one gene and the leaves their gradients arrive at."""

    gene: Candidate
    tensors: dict[str, Tensor]
    leaves: dict[str, Tensor]
    hidden_LH: Tensor | None = None


class Generator(ABC):
    """Stored tensors, their momentum, and how a gene turns them into weights.

    The stored tensors are the net's own parameters by name, so that cropping, building and checkpoints use the same
    names everywhere. ``training`` draws carry gradients, ``weights`` does not. Frozen parameters are cropped as they
    are: nothing generates them, they have no momentum and no step changes them.
    """

    def __init__(self, net: nn.Module, widths: WidthSpace) -> None:
        self.widths = widths
        self.full = {name: dense_copy(value.detach()) for name, value in net.named_parameters()}
        self.frozen = frozenset(name for name, value in net.named_parameters() if not value.requires_grad)
        self.momentum = {name: torch.zeros_like(value) for name, value in self.full.items() if name not in self.frozen}
        self.decayed = frozenset(name for name, value in self.full.items() if value.ndim >= 2)

    @abstractmethod
    def draft(self, gene: Candidate) -> Draft:
        """The gene's weights, connected to the leaves that ``update`` reads the gradients of."""

    def weights(self, gene: Candidate) -> dict[str, Tensor]:
        """The gene's weights by parameter name, for scoring and for inheriting: no gradients."""
        with torch.no_grad():
            return {name: value.detach() for name, value in self.draft(gene).tensors.items()}

    def update(self, draft: Draft, descent: Descent) -> None:
        """One step on the crop alone: values and momentum outside it stay as they are (lazy momentum)."""
        self._clip(draft, descent)
        self._update_crops(draft, descent)

    def values(self) -> dict[str, Tensor]:
        """What weights are generated from, by name; no copies."""
        return {f"full.{name}": value for name, value in self.full.items()}

    def momenta(self) -> dict[str, Tensor]:
        """What only further training needs, by name; no copies."""
        return {f"momentum.{name}": value for name, value in self.momentum.items()}

    def state(self) -> dict[str, Tensor]:
        """Everything a checkpoint needs, by name."""
        return self.values() | self.momenta()

    def load(self, state: Mapping[str, Tensor], *, momenta: bool = True) -> None:
        """Takes over what ``state`` gave, or only what ``values`` gave.

        Raises:
            KeyError: the state is of another net or generator.
        """
        with torch.no_grad():
            for name, value in (self.state() if momenta else self.values()).items():
                value.copy_(state[name])

    def shares(self, gene: Candidate) -> list[float]:
        """The kept share of each channel group, 0..1: what a generator knows of a gene."""
        values = gene.values
        return [float(values[group.name]) / group.width for group in self.widths.groups]

    def _clip(self, draft: Draft, descent: Descent) -> None:
        if descent.clip_norm is not None:
            nn.utils.clip_grad_norm_(self._clipped(draft), descent.clip_norm)

    def _clipped(self, draft: Draft) -> list[Tensor]:
        return [leaf for leaf in draft.leaves.values() if leaf.grad is not None]

    def index(self, gene: Candidate) -> dict[str, Index]:
        """What each stored tensor keeps for this gene."""
        index = self.widths.decode(gene).index
        return {name: index[name] for name in self.full}

    def _leaves(self, index: Mapping[str, Index]) -> dict[str, Tensor]:
        crops = {name: take(full, index[name]) for name, full in self.full.items()}
        return {name: dense_copy(crop).requires_grad_(name not in self.frozen) for name, crop in crops.items()}

    def _update_crops(self, draft: Draft, descent: Descent) -> None:
        """Steps on the crops of what the loss reached; only weights of two dimensions or more decay."""
        index = self.index(draft.gene)
        for name, leaf in draft.leaves.items():
            if leaf.grad is not None:
                stored = self.full[name], self.momentum[name]
                step_on_crop(stored, index[name], leaf.grad, descent, decays=name in self.decayed)


def trained_parameters(net: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """The parameters that are not frozen, by name."""
    return [(name, value) for name, value in net.named_parameters() if value.requires_grad]


def refuse_nothing_to_steer(steered: Collection[str], generator: str) -> None:
    """Raises SpecError where none of a net's parameters are of the kind that a generator steers."""
    if not steered:
        raise SpecError(
            f"strategy.generator: {generator.lower()} finds no trained parameter of its kind in the net; use slim"
        )


def gradient_of(leaf: Tensor) -> Tensor:
    """The leaf's gradient.

    Raises:
        ValueError: it has none.
    """
    if leaf.grad is None:
        raise ValueError("a leaf without a gradient has no step to make")
    return leaf.grad


class Slim(Generator):
    """Shared weights, cropped: the gene changes nothing but the widths (Slimmable networks, Yu et al. 2019)."""

    def draft(self, gene: Candidate) -> Draft:
        leaves = self._leaves(self.index(gene))
        return Draft(gene, leaves, leaves)


class Trunk(nn.Module):
    """From a gene's scales to one code vector a layer: Linear, ReLU, and one head for all layers, zero at the start.

    ``sizes``: length of each layer's code. A zero head makes every generator start as plain shared weights.
    """

    def __init__(self, genes: int, sizes: Mapping[str, int], hidden: int) -> None:
        super().__init__()
        self.sizes = dict(sizes)
        self.hidden = nn.Linear(genes, hidden)
        self.head = nn.Linear(hidden, sum(sizes.values()))
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, scales_G: Tensor) -> dict[str, Tensor]:
        codes = self.head(torch.relu(self.hidden(scales_G * 2 - 1))).split(list(self.sizes.values()))
        return dict(zip(self.sizes, codes, strict=True))


class _Conditioned(Generator):
    """A generator with a trunk that reads the whole gene."""

    def __init__(self, net: nn.Module, widths: WidthSpace, sizes: Mapping[str, int], hidden: int) -> None:
        super().__init__(net, widths)
        refuse_nothing_to_steer(sizes, type(self).__name__)
        device = next(iter(self.full.values())).device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.trunk = Trunk(len(widths.groups), sizes, hidden).to(device)
        self.trunk_momentum = {name: torch.zeros_like(value) for name, value in self.trunk.named_parameters()}

    def codes(self, gene: Candidate) -> dict[str, Tensor]:
        """One code vector a layer."""
        codes: dict[str, Tensor] = self.trunk(torch.tensor(self.shares(gene), device=self.trunk.head.weight.device))
        return codes

    def update(self, draft: Draft, descent: Descent) -> None:
        super().update(draft, descent)
        with torch.no_grad():
            for name, value in self.trunk.named_parameters():
                momentum = self.trunk_momentum[name]
                momentum.mul_(descent.momentum).add_(gradient_of(value))
                value.add_(momentum, alpha=-descent.learning_rate)
                value.grad = None

    def _clipped(self, draft: Draft) -> list[Tensor]:
        return super()._clipped(draft) + list(self.trunk.parameters())

    def values(self) -> dict[str, Tensor]:
        return super().values() | {f"trunk.{name}": value.detach() for name, value in self.trunk.named_parameters()}

    def momenta(self) -> dict[str, Tensor]:
        return super().momenta() | {f"trunk_momentum.{name}": value for name, value in self.trunk_momentum.items()}


def _mixing_layers(net: nn.Module) -> dict[str, Tensor]:
    """The trained weights that mix channels: convolutions and linear layers, depthwise ones excepted."""
    return {name: value for name, value in trained_parameters(net) if value.ndim >= 2 and value.shape[1] > 1}


class CondScale(_Conditioned):
    """Shared weights whose input channels are scaled by the gene: W[:o, :i] * (1 + c(gene)).

    A scale of output channels would be cancelled by the batch norm behind the convolution, hence the inputs.
    """

    def __init__(self, net: nn.Module, widths: WidthSpace, hidden: int = 16) -> None:
        mixing = _mixing_layers(net)
        super().__init__(net, widths, {name: value.shape[1] for name, value in mixing.items()}, hidden)

    def draft(self, gene: Candidate) -> Draft:
        index = self.index(gene)
        leaves = self._leaves(index)
        tensors: dict[str, Tensor] = dict(leaves)
        for name, code_I in self.codes(gene).items():
            scale_I = 1 + take(code_I, index[name][1:2])
            tensors[name] = leaves[name] * scale_I.view(1, -1, *(1,) * (leaves[name].ndim - 2))
        return Draft(gene, tensors, leaves)


class CondNorm(_Conditioned):
    """Shared weights whose normalisations are steered by the gene: gamma (1 + c(gene)), beta + d(gene).

    Behind a normalisation and a rectifier this equals a scale of the next layer's input channels, at the price of
    vectors instead of weights.
    """

    def __init__(self, net: nn.Module, widths: WidthSpace, hidden: int = 16) -> None:
        norms = {name: value for name, value in trained_parameters(net) if value.ndim == 1}
        self.scales = frozenset(name for name in norms if name.endswith("weight"))
        super().__init__(net, widths, {name: value.numel() for name, value in norms.items()}, hidden)

    def draft(self, gene: Candidate) -> Draft:
        index = self.index(gene)
        leaves = self._leaves(index)
        tensors: dict[str, Tensor] = dict(leaves)
        for name, code_C in self.codes(gene).items():
            kept_C = take(code_C, index[name])
            tensors[name] = (
                torch.addcmul(leaves[name], leaves[name], kept_C) if name in self.scales else leaves[name] + kept_C
            )
        return Draft(gene, tensors, leaves)


class LowRank(_Conditioned):
    """Shared weights plus a low-rank term steered by the gene: W[:o, :i] + (A[:o] * c(gene)) E[:, :i]."""

    def __init__(self, net: nn.Module, widths: WidthSpace, hidden: int = 16, rank: int = 2) -> None:
        mixing = _mixing_layers(net)
        super().__init__(net, widths, dict.fromkeys(mixing, rank), hidden)
        random = torch.Generator().manual_seed(1)
        for name, value in mixing.items():
            left_OR = torch.randn(value.shape[0], rank, generator=random) / rank**0.5
            deviation = float(value.detach().std())
            right_IK = torch.randn(value.shape[1], rank, *value.shape[2:], generator=random) * deviation
            for key, factor in ((f"{name}:left", left_OR), (f"{name}:right", right_IK)):
                self.full[key] = factor.to(value.device)
                self.momentum[key] = torch.zeros_like(self.full[key])

    def index(self, gene: Candidate) -> dict[str, Index]:
        index: dict[str, Index] = dict(self.widths.decode(gene).index)
        for name, full in self.full.items():
            owner, _, side = name.partition(":")
            if side:
                index[name] = (index[owner][0 if side == "left" else 1], *(None,) * (full.ndim - 1))
        return index

    def draft(self, gene: Candidate) -> Draft:
        leaves = self._leaves(self.index(gene))
        tensors = {name: leaf for name, leaf in leaves.items() if ":" not in name}
        for name, code_R in self.codes(gene).items():
            left_OR, right = leaves[f"{name}:left"] * code_R, leaves[f"{name}:right"]
            added = left_OR @ right.transpose(0, 1).reshape(code_R.numel(), -1)
            tensors[name] = leaves[name] + added.view_as(leaves[name])
        return Draft(gene, tensors, leaves)
