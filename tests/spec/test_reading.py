from __future__ import annotations

from pathlib import Path

import pytest

from kdsearch.errors import SpecError
from kdsearch.spec.reading import absolute, check_name, known_keys, read_section
from kdsearch.spec.sections import Section
from kdsearch.spec.yaml import read_yaml


class Inner(Section):
    count: int = 1
    path: Path | None = None


class Outer(Section):
    name: str
    inner: Inner = Inner()
    items: tuple[Inner, ...] = ()


def read(text: str) -> Outer:
    return read_section(Outer, read_yaml(text, "a.yaml"))


def test_a_document_becomes_its_section():
    assert read("name: x\ninner: {count: 2}\n") == Outer(name="x", inner=Inner(count=2))


def test_every_mistake_is_a_line_in_the_order_of_the_file():
    with pytest.raises(SpecError) as caught:
        read("inner:\n  cuont: 2\nitems:\n  - {count: x}\nname: [1]\n")
    assert str(caught.value).splitlines() == [
        "a.yaml:2: inner.cuont: unknown key; did you mean 'count'?",
        "a.yaml:4: items[0].count: must be a whole number (got x)",
        "a.yaml:5: name: must be text; put it in quotes (got [1])",
    ]


def test_mistakes_of_the_yaml_stand_with_the_others():
    with pytest.raises(SpecError, match=r"a.yaml:1: name: duplicate key|a.yaml:2: name: duplicate key"):
        read("name: x\nname: y\n")


def test_the_keys_of_a_section_are_known_at_any_depth():
    data = {"name": "x", "items": [{}]}
    assert known_keys(Outer, data, ()) == ("name", "inner", "items")
    assert known_keys(Outer, data, ("items", 0)) == ("count", "path")


def test_every_path_becomes_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = Outer(name="x", inner=Inner(path=Path("a/b")), items=(Inner(path=Path("/c")),))
    made = absolute(given)
    assert (made.inner.path, made.items[0].path) == (tmp_path / "a/b", Path("/c"))
    assert absolute(None) is None


@pytest.mark.parametrize("name", ["", "a b", "-x", "a/b", "x" * 101])
def test_a_name_that_no_file_can_have_is_refused(name):
    with pytest.raises(ValueError, match="must be at most 100 letters, digits"):
        check_name(name)
    assert check_name("a-1.b_c") == "a-1.b_c"
