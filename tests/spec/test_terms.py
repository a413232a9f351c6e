"""Terms as a study writes them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from kdsearch.spec.terms import Range, Term, check_terms, number

SEARCHED = {"search": "loguniform", "low": 1, "high": 100}


def term(kind: str, **options) -> Term:
    return Term.model_validate({kind: options})


def test_a_number_is_the_weight_and_a_name_alone_has_the_defaults():
    assert Term.model_validate({"ce": 0.5}).options.weight == 0.5
    assert Term.model_validate("kd") == term("kd")


def test_a_term_reads_back_what_it_wrote():
    for made in (
        Term.model_validate({"ce": 1}),
        term("cc", weight=SEARCHED, heads=8),
        term("kd", temperature=SEARCHED),
    ):
        assert Term.model_validate(made.model_dump()) == made


def test_ranges_are_named_by_term_and_option():
    spans = dict(term("cc", weight=SEARCHED, gamma={"search": "uniform", "low": 0.1, "high": 0.5}).searched())
    assert set(spans) == {"cc.weight", "cc.gamma"}
    assert spans["cc.weight"].first == pytest.approx(10)  # the middle of a logarithmic scale
    assert spans["cc.gamma"].first == pytest.approx(0.3)


def test_settling_takes_given_values_and_else_where_the_range_starts():
    made = term("kd", weight={**SEARCHED, "start": 5}, temperature=SEARCHED)
    settled = made.settled({"kd.temperature": 7.0, "cc.weight": 3.0})
    assert (number(settled.options.weight), number(settled.options.temperature)) == (5, 7)
    assert not list(settled.searched())
    with pytest.raises(ValueError, match="settle the term first"):
        number(made.options.weight)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"ce": -1}, "greater than or equal to 0"),
        ({"kd": {"temperature": 0}}, "greater than 0"),
        ({"kd": 1, "ce": 1}, "must be exactly one of .* \\(got ce, kd\\)"),
        ({}, "got none"),
        ({"cc": {"weight": {"search": "loguniform", "low": 0, "high": 1}}}, "must be above 0 on a logarithmic scale"),
        ({"cc": {"weight": {"search": "uniform", "low": 2, "high": 1}}}, "low must be below high"),
        ({"cc": {"weight": {"search": "uniform", "low": -1, "high": 1}}}, "must stay at or above 0"),
        ({"kd": {"temperature": {"search": "uniform", "low": 0, "high": 1}}}, "must stay above 0"),
        (
            {"cc": {"balance": "gradient", "share": {"search": "uniform", "low": 0.5, "high": 1}}},
            "must stay above 0 and below 1",
        ),
        ({"cc": {"weight": {**SEARCHED, "start": 0.5}}}, "start must lie between"),
        ({"cc": {"share": {"search": "uniform", "low": 0.1, "high": 0.5}}}, "cc.share would be searched for nothing"),
        ({"cc": {"kernel": "mmd", "gamma": SEARCHED}}, "cc.gamma would be searched for nothing"),
    ],
)
def test_what_cannot_be_is_refused(written, said):
    with pytest.raises(ValidationError, match=said):
        Term.model_validate(written)


def test_terms_must_leave_something_to_balance_against():
    ce, kd = Term.model_validate({"ce": 1}), term("kd", balance="gradient", share=0.6)
    assert check_terms((ce, kd)) == (ce, kd)
    with pytest.raises(ValueError, match="one term at least"):
        check_terms((kd,))
    with pytest.raises(ValueError, match=r"come to 1.2"):
        check_terms((ce, kd, term("cc", balance="gradient", share=0.6)))
    with pytest.raises(ValueError, match="names ce twice"):
        check_terms((ce, ce))
    with pytest.raises(ValueError, match="one term or more"):
        check_terms(())


def test_the_middle_of_a_range_can_be_named():
    assert Range(search="uniform", low=0, high=2, start=0.1).first == 0.1


@pytest.mark.parametrize(
    "written",
    [
        [{"ce": 0.0}, {"kd": 0.0}],
        [{"ce": 0.0}, {"cc": {"balance": "gradient"}}],
        [
            {
                "kd": {"weight": {"search": "uniform", "low": 0, "high": 0.5}},
            },
            {"ce": 0.0},
        ],
    ],
)
def test_terms_that_teach_nothing_are_refused(written):
    made = tuple(Term.model_validate(item) for item in written)
    if any(isinstance(term.options.weight, Range) for term in made):
        assert check_terms(made) == made  # a search may find a weight
        return
    with pytest.raises(ValueError, match="teaches nothing: give a term that keeps balance: fixed a weight above 0"):
        check_terms(made)


def test_relations_of_neither_distances_nor_angles_are_refused():
    with pytest.raises(ValidationError, match="distance and angle are both 0, which compares nothing"):
        Term.model_validate({"rkd": {"distance": 0, "angle": 0}})
