"""The paper's weight generator: two fully connected layers a convolution (MetaPruning, Liu et al. 2019, section 3.1).

W(gene) = B + sum_h relu(F code)_h A_h: a mix of H full-size weight bases steered by the scales of the groups that the
convolution touches. The official code multiplies the full matrix at every step, crops afterwards, and lets autograd
and the optimiser walk all of it; here only the crop of each basis is read and updated, chunk by chunk so that a chunk
stays in the cache. What is computed for the cropped weights is the same. What differs: momentum outside the crop is
lazy (it rests instead of moving on); B and the bases start from the net's own initialisation; a layer's code holds the
scales of the groups that it touches, whatever the net; batch norms have scales and shifts of their own.

Letters: L layers, O outputs, J inputs times kernel positions, H hidden width, S scales a layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from kdsearch.pruningnet.crop_descent import Descent, dense_copy
from kdsearch.pruningnet.generators import Draft, Generator, gradient_of, refuse_nothing_to_steer, trained_parameters
from kdsearch.widths.crop import Index, put, take

if TYPE_CHECKING:
    from kdsearch.candidates.space import Candidate
    from kdsearch.widths.space import WidthSpace

_CHUNK = 512 * 1024  # how many floats of a basis fit a core's cache, where the passes over them find them


class Paper(Generator):
    """The paper's generator. ``clip_norm`` clips the generated weights' gradients, not the bases'."""

    def __init__(self, net: nn.Module, widths: WidthSpace, hidden: int = 64) -> None:
        super().__init__(net, widths)
        self.touched = {name: widths.touches(name) for name in self._generated(net, widths)}
        names = list(self.touched)
        refuse_nothing_to_steer(names, type(self).__name__)
        random = torch.Generator().manual_seed(2)
        slots = max(len(groups) for groups in self.touched.values())
        bound = 1 / max(slots, 1) ** 0.5
        device = next(iter(self.full.values())).device
        self.first_LHS = torch.empty(len(names), hidden, slots).uniform_(-bound, bound, generator=random).to(device)
        self.first_LH = torch.empty(len(names), hidden).uniform_(-bound, bound, generator=random).to(device)
        self.first_momentum = [torch.zeros_like(self.first_LHS), torch.zeros_like(self.first_LH)]
        self.basis: dict[str, Tensor] = {}
        for name in names:
            value = self.full[name]
            deviation = float(value.std()) / hidden**0.5
            basis = torch.empty(*value.shape[:2], value[0, 0].numel(), hidden)
            self.basis[name] = basis.uniform_(-deviation, deviation, generator=random).to(device)
        self.basis_momentum = {name: torch.zeros_like(value) for name, value in self.basis.items()}

    @staticmethod
    def _generated(net: nn.Module, widths: WidthSpace) -> list[str]:
        layers = {name: value for name, value in trained_parameters(net) if value.ndim >= 3}
        return [name for name in layers if widths.touches(name)]

    def draft(self, gene: Candidate) -> Draft:
        index = self.index(gene)
        leaves = {name: dense_copy(take(full, index[name])) for name, full in self.full.items()}
        hidden_LH = self._hidden(gene)
        with torch.no_grad():
            for layer, name in enumerate(self.basis):
                basis_OJH = _flat(take(self.basis[name], _basis_index(index[name])))
                code_O1H = hidden_LH[layer].view(1, 1, -1).expand(basis_OJH.shape[0], 1, -1)
                # code times basis, not basis times code: a batch of row vectors runs three times faster on CPU
                leaves[name] += torch.bmm(code_O1H, basis_OJH.transpose(1, 2)).reshape(leaves[name].shape)
        for name, leaf in leaves.items():
            leaf.requires_grad_(name not in self.frozen)
        return Draft(gene, leaves, leaves, hidden_LH)

    def update(self, draft: Draft, descent: Descent) -> None:
        if draft.hidden_LH is None:
            raise ValueError("the draft was not made by this generator")
        self._clip(draft, descent)
        index = self.index(draft.gene)
        hidden_LH = draft.hidden_LH.detach()
        slopes = [
            self._update_basis(name, index[name], draft, hidden_LH[at], descent) for at, name in enumerate(self.basis)
        ]
        self._update_crops(draft, descent)  # not before the bases: it changes the gradients that they read
        draft.hidden_LH.backward(torch.stack(slopes))
        for value, momentum in zip((self.first_LHS, self.first_LH), self.first_momentum, strict=True):
            with torch.no_grad():
                momentum.mul_(descent.momentum).add_(gradient_of(value))
                value.sub_(momentum, alpha=descent.learning_rate)
            value.grad = None

    def _hidden(self, gene: Candidate) -> Tensor:
        shares, slots = self.shares(gene), self.first_LHS.shape[2]
        rows = [[shares[group] for group in groups] + [0.0] * (slots - len(groups)) for groups in self.touched.values()]
        codes_LS = torch.tensor(rows, device=self.first_LHS.device)
        self.first_LHS.requires_grad_()
        self.first_LH.requires_grad_()
        return torch.relu(torch.einsum("lhs,ls->lh", self.first_LHS, codes_LS) + self.first_LH)

    def _update_basis(self, name: str, index: Index, draft: Draft, code_H: Tensor, descent: Descent) -> Tensor:
        """One step on the crop of a basis; the gradient of the hidden code, read before the step."""
        if draft.leaves[name].grad is None:
            return torch.zeros_like(code_H)
        kept = _basis_index(index)
        basis, momentum = take(self.basis[name], kept), take(self.basis_momentum[name], kept)
        flat = _flat(basis), _flat(momentum), gradient_of(draft.leaves[name]).reshape(basis.shape[0], -1, 1)
        slope_H = torch.zeros_like(code_H)
        for basis_OJH, momentum_OJH, gradient_OJ1 in _chunks(*flat):
            rows = basis_OJH.shape[0]
            slope_H += torch.bmm(gradient_OJ1.transpose(1, 2), basis_OJH).sum((0, 1))
            momentum_OJH.baddbmm_(gradient_OJ1, code_H.view(1, 1, -1).expand(rows, 1, -1), beta=descent.momentum)
            if descent.weight_decay:
                momentum_OJH.add_(basis_OJH, alpha=descent.weight_decay)
            basis_OJH.sub_(momentum_OJH, alpha=descent.learning_rate)
        put(self.basis[name], kept, basis)
        put(self.basis_momentum[name], kept, momentum)
        return slope_H

    def values(self) -> dict[str, Tensor]:
        first = {"first.weight": self.first_LHS.detach(), "first.bias": self.first_LH.detach()}
        return super().values() | first | {f"basis.{name}": value for name, value in self.basis.items()}

    def momenta(self) -> dict[str, Tensor]:
        first = {f"first_momentum.{at}": value for at, value in enumerate(self.first_momentum)}
        bases = {f"basis_momentum.{name}": value for name, value in self.basis_momentum.items()}
        return super().momenta() | first | bases


def _basis_index(index: Index) -> Index:
    """A weight's index, for its basis of shape (O, I, K, H)."""
    return (*index[:2], None, None)


def _flat(basis_OIKH: Tensor) -> Tensor:
    return basis_OIKH.view(basis_OIKH.shape[0], -1, basis_OIKH.shape[-1])


def _chunks(basis_OJH: Tensor, momentum_OJH: Tensor, slope_OJ1: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    rows = max(1, _CHUNK // max(1, basis_OJH[0].numel()))
    return zip(basis_OJH.split(rows), momentum_OJH.split(rows), slope_OJ1.split(rows), strict=True)
