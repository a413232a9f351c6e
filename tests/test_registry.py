"""Plug-ins are files: what is found, what is not, and what is no plug-in."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kdsearch.errors import SpecError
from kdsearch.registry import available, find

_ONE = "class Options: ...\nclass Sweep:\n    Options = Options\n"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of plug-ins of its own; gives its name and a function that writes a file of it."""
    folder = tmp_path / "toy_plugins"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name: str, text: str) -> None:
        (Path(folder) / f"{name}.py").write_text(text)

    yield "toy_plugins", write
    for name in [name for name in sys.modules if name.split(".")[0] == "toy_plugins"]:
        del sys.modules[name]


def test_a_file_is_a_plug_in_unless_it_is_shared_or_private(package):
    name, write = package
    for file in ("sweep", "base", "base_sweeping", "_draft"):
        write(file, _ONE)
    assert available(name) == ("sweep",)
    assert find(name, "sweep").__name__ == "Sweep"


def test_an_unknown_name_is_answered_with_the_known_ones_and_the_nearest():
    with pytest.raises(SpecError) as caught:
        find("kdsearch.searchers", "evolutoin")
    assert str(caught.value) == (
        "unknown searchers 'evolutoin'; known: evolution, optuna, random; did you mean 'evolution'?"
    )


@pytest.mark.parametrize(
    ("text", "found"), [("class Sweep: ...\n", 0), (_ONE + "class Other:\n    Options = Options\n", 2)]
)
def test_a_file_has_one_public_class_with_options(package, text, found):
    name, write = package
    write("sweep", text)
    with pytest.raises(ValueError, match=rf"toy_plugins\.sweep must define exactly one public class .* found {found}"):
        find(name, "sweep")
