"""Training a student by a teacher: a weighted sum of terms, each of which may be balanced against the others.

B: batch, C: classes, T: terms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from kdsearch.data.seeds import mix_seed
from kdsearch.errors import SpecError
from kdsearch.losses.pointwise import cross_entropy
from kdsearch.spec.terms import TEACHERLESS, Term, number
from kdsearch.teaching.taps import Taps
from kdsearch.teaching.term_losses import LabelLoss, Signals, taps_of, term_layers, term_loss
from kdsearch.training.learner import Steps

Answers = Callable[[Any], tuple[Tensor, Mapping[str, Tensor]]]
"""What a teacher says of a batch: logits and tapped tensors."""

_EARLY = (0, 5, 10, 20)  # the first steps change the gradients most
_EVERY = 50
_EVERY_LOGGED = 200  # steps between two measures where nothing is balanced: each takes a backward pass a term
_KEEP = 0.7  # the share of the old weight that each new estimate keeps: one batch's gradient norm is noisy


class Pupil(nn.Module):
    """A student that learns, and beside it what its terms learn and remember: all that a checkpoint has to hold."""

    weight_T: Tensor
    value_T: Tensor
    share_T: Tensor
    counts: Tensor

    def __init__(self, student: nn.Module, terms: Sequence[Term], layers: Mapping[str, nn.ModuleDict]) -> None:
        super().__init__()
        self.student = student
        self.layers = nn.ModuleDict(dict(layers))
        weights = [number(term.options.weight) for term in terms]
        self.register_buffer("weight_T", torch.tensor(weights, dtype=torch.float64))
        self.register_buffer("value_T", torch.zeros(len(terms), dtype=torch.float64))
        self.register_buffer("share_T", torch.zeros(len(terms), dtype=torch.float64))
        self.register_buffer("counts", torch.zeros(2, dtype=torch.int64))  # steps of the training, of this epoch

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """The student's logits."""
        logits_BC: Tensor = self.student(image_BCHW)
        return logits_BC


def make_pupil(student: nn.Module, terms: Sequence[Term], tried: Signals, seed: int) -> Pupil:
    """The student with the layers that its terms need for tapped tensors shaped as those ``tried``.

    Raises:
        SpecError: the two nets' tensors cannot be compared.
    """
    layers = {
        term.kind: term_layers(term, tried.student_taps, tried.teacher_taps, mix_seed(seed, 5, at))
        for at, term in enumerate(terms)
    }
    return Pupil(student, terms, {kind: made for kind, made in layers.items() if len(made)})


def try_terms(pupil: Pupil, terms: Sequence[Term], signals: Signals) -> None:
    """Works out every term once.

    Raises:
        SpecError: a term cannot make anything of these tensors; the message names it.
    """
    for term in terms:
        try:
            with torch.no_grad():
                term_loss(term, signals, _layers(pupil, term.kind))
        except (RuntimeError, ValueError) as error:
            raise SpecError(
                f"terms.{term.kind}: does not work on these two nets: {error}; tap other tensors, or leave the term out"
            ) from error


class Distillation:
    """The objective of a training by a teacher, for ``kdsearch.training.net.train_net``.

    Each term's value is logged, and its share of the sum of the gradient norms over the student's parameters, weights
    included: taken at the first step of an epoch, or every 50th of shorter and every 200th of longer ones; where a term
    has ``balance: gradient``, at steps 0, 5, 10, 20 and every 50th. There the balanced weights are set, too: with fixed
    terms of norms g_j and weights w_j, and shares s_i of the balanced ones,
    w_i = s_i / (1 - sum s) * sum(w_j g_j) / g_i, at most ``most``, of which 0.3 is taken and 0.7 kept.
    """

    def __init__(  # noqa: PLR0913 - what a distillation depends on, all of it
        self,
        terms: Sequence[Term],
        batches: Steps,
        *,
        answers: Answers,
        student_taps: Mapping[str, str],
        smoothing: float,
        identity: str,
        label_loss: LabelLoss = cross_entropy,
    ) -> None:
        self.batches, self.identity = batches, identity
        self._terms, self.answers, self._smoothing = tuple(terms), answers, smoothing
        self._label_loss = label_loss
        self._student_taps = {alias: student_taps[alias] for alias in taps_of(terms)}
        self._balanced = [term.options.balance == "gradient" for term in terms]
        self._share_T = torch.tensor([number(term.options.share) for term in terms], dtype=torch.float64)
        self._most_T = torch.tensor([term.options.most for term in terms], dtype=torch.float64)
        self._asks = any(term.kind not in TEACHERLESS for term in terms)
        self._step: int | None = None
        self._weights: list[float] = []

    def loss(self, model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
        """The weighted sum of the terms, and the student's logits; ``model`` is a Pupil."""
        assert isinstance(model, Pupil)
        if self._step is None:  # the first step of this process, perhaps of a resumed training
            self._step = int(model.counts[0])
            self._weights = model.weight_T.tolist()
        logits_BC, values = self._values(model, batch)
        if self._is_due(self._step):
            self._measure(model, values)
        self._step += 1
        model.counts += 1
        model.value_T += torch.stack([value.detach() for value in values])
        total = torch.stack([weight * value for weight, value in zip(self._weights, values, strict=True)]).sum()
        return total, logits_BC

    def _values(self, model: Pupil, batch: Any) -> tuple[Tensor, list[Tensor]]:
        with Taps(model.student, self._student_taps) as taps:
            logits_BC = model.student(batch.images_BCHW)
            tapped = taps.take()
        teacher_BC, teacher_taps = self.answers(batch) if self._asks else (logits_BC.detach(), {})
        signals = Signals(logits_BC, teacher_BC, batch.labels, tapped, teacher_taps, self._smoothing, self._label_loss)
        return logits_BC, [term_loss(term, signals, _layers(model, term.kind)) for term in self._terms]

    def _is_due(self, step: int) -> bool:
        if not any(self._balanced):
            # about once an epoch, so that the share of a training given up is not that of its first step
            return step % max(_EVERY, min(_EVERY_LOGGED, len(self.batches))) == 0
        return step in _EARLY or step % _EVERY == 0

    def _measure(self, model: Pupil, values: Sequence[Tensor]) -> None:
        """Sets the balanced weights and notes every term's share of the gradient."""
        parameters = [parameter for parameter in model.student.parameters() if parameter.requires_grad]
        norm_T = torch.tensor([_gradient_norm(value, parameters) for value in values], dtype=torch.float64)
        weight_T = model.weight_T.cpu()
        balanced_T = torch.tensor(self._balanced)
        if balanced_T.any():
            rest = float((weight_T * norm_T)[~balanced_T].sum())
            free = 1 - float(self._share_T[balanced_T].sum())
            wanted_T = torch.minimum(self._share_T / free * rest / norm_T, self._most_T)
            known_T = balanced_T & wanted_T.isfinite() & (norm_T > 0)
            keep = _KEEP if self._step else 0.0
            weight_T = torch.where(known_T, keep * weight_T + (1 - keep) * wanted_T, weight_T)
            model.weight_T.copy_(weight_T)
            self._weights = weight_T.tolist()
        pull_T = weight_T * norm_T
        if float(pull_T.sum()) > 0:
            model.share_T.copy_(pull_T / pull_T.sum())

    def figures(self, model: nn.Module) -> Mapping[str, float]:
        """Each term's mean value over the epoch, its share of the gradient (0..1), and its weight if balanced."""
        assert isinstance(model, Pupil)
        steps = max(1, int(model.counts[1]))
        means, shares = (model.value_T / steps).tolist(), model.share_T.tolist()
        found: dict[str, float] = {}
        for at, term in enumerate(self._terms):
            found |= {term.kind: means[at], f"{term.kind}_share": shares[at]}
            if self._balanced[at]:
                found[f"{term.kind}_weight"] = float(model.weight_T[at])
        model.value_T.zero_()
        model.counts[1] = 0
        return found


def term_figures(terms: Sequence[Term]) -> tuple[str, ...]:
    """The names of the figures that ``Distillation`` may log of these terms."""
    return tuple(term.kind + ending for term in terms for ending in ("", "_share", "_weight"))


def _layers(model: Pupil, kind: str) -> nn.ModuleDict:
    """What the term of this kind learns; most learn nothing."""
    found = model.layers[kind] if kind in model.layers else nn.ModuleDict()
    assert isinstance(found, nn.ModuleDict)
    return found


def _gradient_norm(value: Tensor, parameters: Sequence[Tensor]) -> float:
    """The gradient norm of one term over all of the student's parameters; 0 where it depends on none."""
    if not value.requires_grad:
        return 0.0
    found = torch.autograd.grad(value, list(parameters), retain_graph=True, allow_unused=True)
    norms = [gradient.float().norm() for gradient in found if gradient is not None]
    return float(torch.stack(norms).norm()) if norms else 0.0
