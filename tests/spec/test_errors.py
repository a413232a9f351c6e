from __future__ import annotations

import pytest
from pydantic import ValidationError

from kdsearch.spec.errors import describe, shown, unknown
from kdsearch.spec.sections import Section
from kdsearch.spec.yaml import read_yaml


class Inner(Section):
    size: int = 1


class Options(Section):
    either: int | bool | None = None
    inner: Inner = Inner()


def lines_of(text: str) -> list[str]:
    document = read_yaml(text, "a.yaml")
    with pytest.raises(ValidationError) as caught:
        Options.model_validate(document.data)
    return [f"{place}: {what}" for place, what in describe(caught.value, document, lambda _: ("size",))]


def test_branches_of_a_union_that_all_fail_are_one_mistake():
    assert lines_of("either: [x]") == ["a.yaml:1: either: must be a whole number or true or false (got ['x'])"]


def test_a_mistake_names_the_innermost_key_that_was_written():
    assert lines_of("either: 1\ninner:\n  size: x\n  sze: 3") == [
        "a.yaml:3: inner.size: must be a whole number (got x)",
        "a.yaml:4: inner.sze: unknown key; did you mean 'size'?",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "nothing"), (True, "true"), ({"a": 1}, "a section"), ("x\ny", "x\\ny"), ("x" * 99, "x" * 57 + "...")],
)
def test_a_value_is_shown_short_and_on_one_line(value, text):
    assert shown(value) == text


def test_an_unknown_name_gets_the_nearest_or_all():
    assert unknown("key", "epocs", ("epochs", "seed")) == "unknown key; did you mean 'epochs'?"
    assert unknown("format", "xyz", ("onnx",)) == "unknown format 'xyz'; known: onnx"
    assert unknown("format", "xyz", ()) == "unknown format 'xyz'; known: none"
