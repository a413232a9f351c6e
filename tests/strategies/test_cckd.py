"""Correlation congruence: its defaults, and the paper's setting by one word."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from kdsearch.strategies.cckd import CorrelationCongruence

Options = CorrelationCongruence.Options


def read(**given) -> Options:
    return Options.model_validate(given)


def test_by_default_the_correlations_get_three_tenths_of_the_gradient():
    terms = {term.kind: term.options for term in Options().terms}
    assert set(terms) == {"ce", "kd", "cc"}
    assert (terms["cc"].balance, terms["cc"].share) == ("gradient", 0.3)
    assert (Options().sampler.name, Options().sampler.k) == ("class_balanced", 4)


def test_the_preset_is_the_papers_terms_and_sampler():
    options = read(preset="cckd-paper")
    terms = {term.kind: term.options for term in options.terms}
    assert set(terms) == {"kd", "cc"}  # its alpha is 0: no cross-entropy
    cc = terms["cc"]
    assert (cc.weight, cc.kernel, cc.gamma, cc.order, cc.heads) == (0.003, "rbf_taylor", 0.4, 2, 128)
    assert options.sampler.name == "class_balanced"


def test_a_resolved_study_with_the_preset_is_read_back_and_another_choice_beside_it_is_refused():
    options = read(preset="cckd-paper")
    assert Options.model_validate(options.model_dump(mode="json")) == options
    with pytest.raises(ValidationError, match="preset: cckd-paper sets terms; remove one of the two"):
        read(preset="cckd-paper", terms=[{"ce": 1.0}])
    with pytest.raises(ValidationError, match="preset: cckd-paper sets sampler; remove one of the two"):
        read(preset="cckd-paper", sampler={"name": "uniform"})
