"""The terms of a distillation loss at work: what each reads, and what it learns beside the student.

B: batch, C: classes or channels, D and E: features, H and W: pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kdsearch.errors import SpecError
from kdsearch.losses import pointwise as losses
from kdsearch.losses import relations
from kdsearch.spec.terms import (
    CorrelationTerm,
    DISTTerm,
    DKDTerm,
    KDTerm,
    RelationTerm,
    TappedTerm,
    Term,
    number,
)
from kdsearch.teaching.taps import flat_embedding

LabelLoss = Callable[[Tensor, Tensor, float], Tensor]


@dataclass(frozen=True, slots=True)
class Signals:
    """What the two nets say about one batch. ``labels``: B int64, or BC float32 where images were mixed.

    ``label_loss``: the task's own, of logits, labels and their smoothing.
    """

    student_BC: Tensor
    teacher_BC: Tensor
    labels: Tensor
    student_taps: Mapping[str, Tensor]
    teacher_taps: Mapping[str, Tensor]
    smoothing: float
    label_loss: LabelLoss = losses.cross_entropy


def term_loss(term: Term, signals: Signals, layers: nn.ModuleDict) -> Tensor:
    """The term's value, not weighted; ``layers`` are those that ``term_layers`` made for it."""
    return _LOSSES[term.kind](term.options, signals, layers)


def taps_of(terms: Sequence[Term]) -> tuple[str, ...]:
    """The names of the taps that these terms read."""
    return tuple(sorted({term.options.tap for term in terms if isinstance(term.options, TappedTerm)}))


def pooled_taps(terms: Sequence[Term]) -> tuple[str, ...]:
    """The names of the taps of which all these terms that read them need the means over the pixels only."""
    whole = {o.tap for o in (term.options for term in terms) if isinstance(o, TappedTerm) and not o.pools}
    return tuple(tap for tap in taps_of(terms) if tap not in whole)


def term_layers(term: Term, student: Mapping[str, Tensor], teacher: Mapping[str, Tensor], seed: int) -> nn.ModuleDict:
    """What the term learns beside the student, for tapped tensors of these shapes; often nothing.

    Raises:
        SpecError: the two nets' tensors cannot be compared by this term.
    """
    options = term.options
    layers = nn.ModuleDict()
    if not isinstance(options, TappedTerm):
        return layers
    own, other = student[options.tap], teacher[options.tap]
    _check_shapes(term, own, other)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if term.kind == "hint" and own.shape != other.shape:
            layers["projector"] = _projector(own, other)
        if isinstance(options, CorrelationTerm) and options.heads is not None:
            layers["student_head"] = nn.Linear(flat_embedding(own).shape[1], options.heads)
            layers["teacher_head"] = nn.Linear(flat_embedding(other).shape[1], options.heads).requires_grad_(False)
    return layers


def _check_shapes(term: Term, own: Tensor, other: Tensor) -> None:
    shapes = f"student {tuple(own.shape[1:])}, teacher {tuple(other.shape[1:])}"
    tap = getattr(term.options, "tap", "")
    if term.kind == "attention" and not own.ndim == other.ndim == 4:
        raise SpecError(f"terms.attention: tap {tap!r} must be a feature map in both nets ({shapes})")
    own_size, other_size = (given.shape[2:] if given.ndim == 4 else given.shape[1:-1] for given in (own, other))
    if term.kind == "hint" and (own.ndim, own_size) != (other.ndim, other_size):
        raise SpecError(f"terms.hint: tap {tap!r} must have one size in both nets ({shapes}); choose other modules")


def _projector(own: Tensor, other: Tensor) -> nn.Module:
    if own.ndim == 4:
        return nn.Conv2d(own.shape[1], other.shape[1], 1, bias=False)
    return nn.Linear(own.shape[-1], other.shape[-1], bias=False)


def _hard(labels: Tensor) -> Tensor:
    """The class with most of the target where images were mixed."""
    return labels if labels.ndim == 1 else labels.argmax(1)


def _embeddings(options: TappedTerm, signals: Signals) -> tuple[Tensor, Tensor]:
    return flat_embedding(signals.student_taps[options.tap]), flat_embedding(signals.teacher_taps[options.tap])


def _ce(options: object, signals: Signals, layers: nn.ModuleDict) -> Tensor:  # noqa: ARG001
    return signals.label_loss(signals.student_BC, signals.labels, signals.smoothing)


def _kd(options: KDTerm, signals: Signals, layers: nn.ModuleDict) -> Tensor:  # noqa: ARG001
    temperature = number(options.temperature)
    return losses.kd_loss(signals.student_BC, signals.teacher_BC, temperature, standardize=options.standardize)


def _dkd(options: DKDTerm, signals: Signals, layers: nn.ModuleDict) -> Tensor:  # noqa: ARG001
    return losses.dkd_loss(
        signals.student_BC,
        signals.teacher_BC,
        _hard(signals.labels),
        alpha=number(options.alpha),
        beta=number(options.beta),
        temperature=number(options.temperature),
    )


def _dist(options: DISTTerm, signals: Signals, layers: nn.ModuleDict) -> Tensor:  # noqa: ARG001
    return losses.dist_loss(
        signals.student_BC,
        signals.teacher_BC,
        beta=number(options.beta),
        gamma=number(options.gamma),
        temperature=number(options.temperature),
    )


def _hint(options: TappedTerm, signals: Signals, layers: nn.ModuleDict) -> Tensor:
    own = signals.student_taps[options.tap]
    return losses.hint_loss(
        layers["projector"](own) if "projector" in layers else own, signals.teacher_taps[options.tap]
    )


def _attention(options: TappedTerm, signals: Signals, layers: nn.ModuleDict) -> Tensor:  # noqa: ARG001
    return losses.attention_loss(signals.student_taps[options.tap], signals.teacher_taps[options.tap])


def _sp(options: TappedTerm, signals: Signals, layers: nn.ModuleDict) -> Tensor:  # noqa: ARG001
    return relations.similarity_loss(*_embeddings(options, signals))


def _rkd(options: RelationTerm, signals: Signals, layers: nn.ModuleDict) -> Tensor:  # noqa: ARG001
    own_BD, other_BE = _embeddings(options, signals)
    value = own_BD.new_zeros((), dtype=torch.float32)
    if number(options.distance) > 0:
        value = value + number(options.distance) * relations.distance_loss(own_BD, other_BE)
    if number(options.angle) > 0:
        value = value + number(options.angle) * relations.angle_loss(own_BD, other_BE)
    return value


def _cc(options: CorrelationTerm, signals: Signals, layers: nn.ModuleDict) -> Tensor:
    own_BD, other_BE = _embeddings(options, signals)
    if "student_head" in layers:
        own_BD = layers["student_head"](own_BD)
        with torch.no_grad():
            other_BE = layers["teacher_head"](other_BE)
    return relations.correlation_loss(
        own_BD, other_BE, kernel=options.kernel, gamma=number(options.gamma), order=options.order
    )


_LOSSES: Mapping[str, Callable[[Any, Signals, nn.ModuleDict], Tensor]] = {
    "ce": _ce,
    "kd": _kd,
    "dkd": _dkd,
    "dist": _dist,
    "hint": _hint,
    "attention": _attention,
    "sp": _sp,
    "rkd": _rkd,
    "cc": _cc,
}
