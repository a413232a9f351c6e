"""Knowledge distillation's own defaults."""

from __future__ import annotations

import pytest

from kdsearch.strategies.kd import KnowledgeDistillation


def test_by_default_a_tenth_of_cross_entropy_is_learned_beside_the_softened_teacher():
    options = KnowledgeDistillation.Options()
    weights = {term.kind: term.options.weight for term in options.terms}
    assert weights == pytest.approx({"ce": 0.1, "kd": 0.9})
    assert options.terms[1].options.temperature == 4
    assert options.asks_teacher


def test_terms_that_are_named_replace_the_defaults():
    options = KnowledgeDistillation.Options.model_validate({"terms": [{"ce": 1.0}]})
    assert [term.kind for term in options.terms] == ["ce"]
    assert not options.asks_teacher
