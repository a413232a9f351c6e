from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdsearch.errors import SpecError
from kdsearch.spec.yaml import MAX_DEPTH, dotted, read_scalar, read_yaml


def mistakes_of(text: str) -> list[str]:
    return [f"{place}: {what}" for place, what in read_yaml(text, "a.yaml").mistakes]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),  # YAML 1.1 reads text
        ("4.0e-5", 4e-5),
        ("5.", 5.0),
        (".5", 0.5),
        ("-7", -7),
        ("1_000", 1000),
        ("010", 10),  # YAML 1.1 reads 8
        ("1:30", "1:30"),  # YAML 1.1 reads 90
        ("no", "no"),  # YAML 1.1 reads false
        ("on", "on"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("2024-01-01", "2024-01-01"),  # YAML 1.1 reads a date
        ("50%", "50%"),
        ("nan", "nan"),
        ("1.2.3", "1.2.3"),
    ],
)
def test_plain_scalars_are_read_by_yaml_1_2(text, value):
    found = read_scalar(text)
    assert found == value
    assert type(found) is type(value)


def test_quoted_scalars_are_text():
    assert read_yaml("{a: '1', b: \"true\"}", "a.yaml").data == {"a": "1", "b": "true"}


def test_every_key_and_item_knows_its_line():
    document = read_yaml("a: 1\nb:\n  - x\n  - c: 2\n", "a.yaml")
    assert document.data == {"a": 1, "b": ["x", {"c": 2}]}
    assert document.places[("a",)] == "a.yaml:1"
    assert document.places[("b", 0)] == "a.yaml:3"
    assert document.places[("b", 1, "c")] == "a.yaml:4"
    assert document.place(("b", 1, "missing")) == "a.yaml:4"


def test_repeated_keys_are_mistakes_and_the_first_counts():
    document = read_yaml("a: 1\nb: 2\na: 3\n", "a.yaml")
    assert document.data == {"a": 1, "b": 2}
    assert document.mistakes == [("a.yaml:3", "a: duplicate key (first on line 1)")]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: !!python/object:os.system x", "a.yaml:1: tag tag:yaml.org,2002:python/object:os.system is not supported"),
        ("a: !mine 3", "a.yaml:1: tag !mine is not supported; remove it"),
        ("a: &x 1\nb: *x", "a.yaml:2: alias *x is not supported; write the value out"),
        ("a: 1\n---\nb: 2", "a.yaml:2: a second document begins here; a study is one"),
        ("? [1, 2]\n: 3", "a.yaml:1: a key must be a single word"),
    ],
)
def test_what_a_study_does_not_need_is_refused_by_line(text, line):
    assert any(said.startswith(line) for said in mistakes_of(text))


def test_an_alias_bomb_is_refused_without_expanding_it():
    rows = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    assert "alias *a0 is not supported; write the value out" in "\n".join(mistakes_of("\n".join(rows)))


def test_text_that_is_not_yaml_names_line_and_column():
    with pytest.raises(SpecError, match=r"^a\.yaml:2:4: not valid YAML: "):
        read_yaml("a: 1\nb: ]", "a.yaml")


def test_deep_nesting_is_one_line():
    with pytest.raises(SpecError, match=f"a.yaml:1: nested more than {MAX_DEPTH} levels deep"):
        read_yaml("[" * 5000, "a.yaml")


def test_a_control_character_names_its_line():
    with pytest.raises(SpecError, match=r"a\.yaml:2: character 0x0007 is not allowed in YAML"):
        read_yaml("a: 1\nb: \x07", "a.yaml")


def test_an_enormous_text_is_refused_before_it_is_read():
    with pytest.raises(SpecError, match="has 1,000,001 characters; a study has at most 1,000,000"):
        read_yaml("#" * 1_000_001, "a.yaml")


def test_a_key_is_shown_as_it_is_written():
    assert dotted(("export", 0, "lite")) == "export[0].lite"


@settings(deadline=None)
@given(st.text(max_size=60) | st.text("{}[]:,-?&*!|>'\"#%@ \n\tab1", max_size=40))
def test_any_text_is_data_or_one_line(text):
    said = "a.yaml"
    try:
        read_yaml(text, "a.yaml")
    except SpecError as error:
        said = str(error)
    assert said.startswith("a.yaml")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("written", "meant"), [('"\\ud83d\\ude00"', "\U0001f600"), ('"a\\ud83d"', "a?"), ('"\\ude00b"', "?b")]
)
def test_characters_that_json_escapes_in_two_halves_are_joined(written, meant):
    assert read_yaml(f"{written}: {written}", "a.yaml").data == {meant: meant}
