"""What each term reads of the two nets, and what it learns beside the student."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kdsearch.errors import SpecError
from kdsearch.losses import pointwise
from kdsearch.losses.relations import correlation_loss
from kdsearch.spec.terms import Term
from kdsearch.teaching.term_losses import Signals, pooled_taps, taps_of, term_layers, term_loss

GENERATOR = torch.Generator().manual_seed(0)


def randn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=GENERATOR)


def term(kind: str, **options: object) -> Term:
    return Term.model_validate({kind: options or 1.0})


LOGITS, TAUGHT, LABELS = randn(6, 3), randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
OWN, OTHER = (
    {"embedding": randn(6, 5), "body": randn(6, 4, 3, 3)},
    {"embedding": randn(6, 7), "body": randn(6, 4, 3, 3)},
)
SIGNALS = Signals(LOGITS, TAUGHT, LABELS, OWN, OTHER, 0.1)


def value(kind: str, **options: object) -> float:
    made = term(kind, **options)
    layers = nn.ModuleDict()
    if made.kind in ("hint", "cc"):
        layers = term_layers(made, OWN, OTHER, seed=0)
    return float(term_loss(made, SIGNALS, layers))


def test_terms_are_their_losses_of_logits_labels_and_taps():
    assert value("ce") == pytest.approx(float(pointwise.cross_entropy(LOGITS, LABELS, 0.1)))
    assert value("kd", temperature=3) == pytest.approx(float(pointwise.kd_loss(LOGITS, TAUGHT, 3)))
    assert value("attention", tap="body") == pytest.approx(float(pointwise.attention_loss(OWN["body"], OTHER["body"])))
    assert value("hint", tap="body") == pytest.approx(float((OWN["body"] - OTHER["body"]).square().mean()), rel=1e-5)
    assert value("cc") == pytest.approx(float(correlation_loss(OWN["embedding"], OTHER["embedding"])), rel=1e-5)


def test_the_label_of_a_mixed_image_is_its_larger_share_where_a_term_needs_one_class():
    mixed = nn.functional.one_hot(LABELS, 3) * 0.7 + 0.1
    shared = Signals(LOGITS, TAUGHT, mixed, OWN, OTHER, 0.0)
    dkd = term("dkd", temperature=4)
    assert float(term_loss(dkd, shared, nn.ModuleDict())) == pytest.approx(value("dkd", temperature=4))


def test_the_taps_that_are_read_are_named_once_and_those_that_only_relations_read_may_be_pooled():
    terms = [term("ce"), term("cc"), term("sp"), term("hint", tap="body"), term("rkd", tap="body")]
    assert taps_of(terms) == ("body", "embedding")
    assert pooled_taps(terms) == ("embedding",)


def test_a_hint_between_unlike_widths_learns_a_projector():
    wide = {"body": randn(6, 8, 3, 3)}
    layers = term_layers(term("hint", tap="body"), OWN, wide, seed=0)
    assert layers["projector"].weight.shape == (8, 4, 1, 1)
    assert not term_layers(term("hint", tap="body"), OWN, OTHER, seed=0)


def test_heads_are_as_wide_as_asked_the_teachers_is_not_trained_and_a_seed_fixes_both():
    made = term("cc", heads=2)
    layers, again = (term_layers(made, OWN, OTHER, seed=3) for _ in range(2))
    assert (layers["student_head"].in_features, layers["teacher_head"].in_features) == (5, 7)
    assert not layers["teacher_head"].weight.requires_grad
    assert torch.equal(layers["student_head"].weight, again["student_head"].weight)


@pytest.mark.parametrize(
    ("made", "own", "other", "said"),
    [
        (term("attention", tap="body"), randn(6, 4), randn(6, 4, 3, 3), "must be a feature map in both nets"),
        (term("hint", tap="body"), randn(6, 4, 3, 3), randn(6, 4, 2, 2), "must have one size in both nets"),
        (term("hint", tap="body"), randn(6, 4), randn(6, 4, 3, 3), "must have one size in both nets"),
    ],
)
def test_tensors_that_a_term_cannot_compare_are_refused(made, own, other, said):
    with pytest.raises(SpecError, match=said):
        term_layers(made, {"body": own}, {"body": other}, seed=0)
