"""Plug-ins are files: what is found, what is not, and what is no plug-in."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kdsearch.errors import SpecError
from kdsearch.registry import available, find, find_base

_BASE = "class _Options: ...\nclass Broom:\n    Options = _Options\n"
_ONE = "from toy_plugins.base import Broom\nclass Sweep(Broom): ...\n"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of plug-ins of its own; gives its name and a function that writes a file of it."""
    folder = tmp_path / "toy_plugins"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "base.py").write_text(_BASE)
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name: str, text: str) -> None:
        (Path(folder) / f"{name}.py").write_text(text)

    yield "toy_plugins", write
    for name in [name for name in sys.modules if name.split(".")[0] == "toy_plugins"]:
        del sys.modules[name]


def test_a_file_is_a_plug_in_unless_it_is_shared_or_private(package):
    name, write = package
    for file in ("sweep", "base_sweeping", "_draft"):
        write(file, _ONE)
    assert available(name) == ("sweep",)
    assert find(name, "sweep").__name__ == "Sweep"


def test_an_unknown_name_is_answered_with_the_known_ones_and_the_nearest():
    with pytest.raises(SpecError) as caught:
        find("kdsearch.searchers", "evolutoin")
    assert str(caught.value) == (
        "unknown searchers 'evolutoin'; known: evolution, optuna, random; did you mean 'evolution'?"
    )


@pytest.mark.parametrize(("text", "found"), [("class Sweep: ...\n", 0), (_ONE + "class Other(Broom): ...\n", 2)])
def test_a_file_has_one_public_class_with_options(package, text, found):
    name, write = package
    write("sweep", text)
    with pytest.raises(SpecError, match=rf"toy_plugins\.sweep must define exactly one public class .*found {found}\)"):
        find(name, "sweep")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "class Sweep:\n    class Options: ...\n",
            "toy_plugins.sweep: Sweep must extend Broom of toy_plugins.base, as every plug-in there does",
        ),
        (
            _ONE.replace("...", "\n    class Options: ..."),
            "toy_plugins.sweep: Sweep.Options must extend _Options of toy_plugins.base, as every plug-in there does",
        ),
    ],
)
def test_a_class_that_does_not_extend_the_base_class_is_refused_in_one_line(package, text, line):
    name, write = package
    write("sweep", text)
    with pytest.raises(SpecError) as caught:
        find(name, "sweep")
    assert str(caught.value) == line


@pytest.mark.parametrize("kind", ["searchers", "strategies", "exporters", "executors", "tasks"])
def test_every_kind_has_a_base_class(kind):
    base = find_base(f"kdsearch.{kind}")
    assert all(issubclass(find(f"kdsearch.{kind}", name), base) for name in available(f"kdsearch.{kind}"))
