from __future__ import annotations

from pathlib import Path

import pytest

from kdsearch.errors import SpecError
from kdsearch.spec.sources import change, find_study, read_study, shipped_studies
from kdsearch.spec.yaml import read_yaml

TEXT = "strategy: {name: metapruning, epochs: 8}\nexport:\n  - {name: torchscript}\n"


def changed(*sets: str) -> tuple[object, list[tuple[str, str]]]:
    document = read_yaml(TEXT, "a.yaml")
    for text in sets:
        change(document, text)
    return document.data, document.mistakes


def test_a_study_is_found_by_path_before_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_study("quickstart") == find_study("quickstart.yaml") == shipped_studies()["quickstart.yaml"]
    Path("quickstart.yaml").write_text("name: mine")
    assert find_study("quickstart.yaml") == Path("quickstart.yaml")


@pytest.mark.parametrize("name", ["metaprunning.yaml", "no\x00such", "x" * 5000, ""])
def test_a_study_that_is_nowhere_names_the_shipped_ones(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError, match=r"no such file, nor a shipped study \(|cannot be read") as caught:
        read_study(name)
    assert "\n" not in str(caught.value)


def test_a_near_name_is_suggested():
    with pytest.raises(SpecError, match=r"did you mean 'metapruning.yaml'\?"):
        find_study("metaprunning.yaml")


def test_what_cannot_be_read_is_one_line(tmp_path):
    with pytest.raises(SpecError, match="cannot be read: Is a directory"):
        read_study(tmp_path)
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"name: \xff\xfe")
    with pytest.raises(SpecError, match="byte 6 is not UTF-8 text"):
        read_study(binary)


def test_a_byte_order_mark_is_no_part_of_the_study(tmp_path):
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: a\n")
    assert read_study(path).data == {"name": "a"}


def test_set_changes_adds_and_replaces():
    data, mistakes = changed("strategy.epochs=1e1", "budget.trials=5", "export.0.lite=false", "limits={macs: 50%}")
    assert mistakes == []
    assert data == {
        "strategy": {"name": "metapruning", "epochs": 10.0},
        "export": [{"name": "torchscript", "lite": False}],
        "budget": {"trials": 5},
        "limits": {"macs": "50%"},
    }


def test_what_was_set_is_blamed_on_the_option():
    document = read_yaml(TEXT, "a.yaml")
    change(document, "strategy={name: scratch}")
    assert document.place(("strategy", "name")) == "--set strategy={name: scratch}"
    assert document.place(("strategy", "epochs")) == "--set strategy={name: scratch}"  # what stood there is gone
    assert document.place(("export",)) == "a.yaml:2"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("epochs", "must be KEY=VALUE, such as --set strategy.epochs=8"),
        ("=3", "must be KEY=VALUE, such as --set strategy.epochs=8"),
        ("strategy..epochs=3", "must be KEY=VALUE, such as --set strategy.epochs=8"),
        ("strategy.epochs.more=3", "strategy.epochs is not a section, so it has no 'more'"),
        ("export.1.lite=no", "export is a list of 1; name an item by its number from 0"),
        ("export.x=no", "export is a list of 1; name an item by its number from 0"),
        ("limits.macs=[1", "not valid YAML: expected ',' or ']', but got '<stream end>'"),
        ("seed=&a 3", "anchor &a is not supported; remove it"),
    ],
)
def test_a_wrong_change_is_a_mistake_of_its_own(text, what):
    data, mistakes = changed(text)
    assert mistakes == [(f"--set {text}", what)]
    if "anchor" not in what:
        assert data == read_yaml(TEXT, "a.yaml").data
