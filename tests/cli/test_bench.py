from __future__ import annotations

import importlib
import inspect
import sys
import typing
from collections.abc import Callable, Sequence
from typing import Any

import pytest

import kdsearch.bench
from kdsearch import commands, registry
from kdsearch.cli.bench import read_options
from kdsearch.errors import SpecError

SUITE = """
def run(*, times: int = 1, on_row=None) -> dict[str, object]:
    for turn in range(times):
        on_row({"turn": turn})
    return {"turns": times}
"""


def measure(*, repeats: int = 3, nets: Sequence[str] = (), on_row: Callable[[Any], None] | None = None) -> None:
    """What a suite looks like."""


def test_options_of_a_suite_are_read_by_its_types():
    assert read_options(measure, ["repeats=5", "nets=[a, b]"]) == {"repeats": 5, "nets": ["a", "b"]}


def test_a_wrong_option_of_a_suite_is_one_line():
    with pytest.raises(SpecError, match="--set repeat=5: unknown option 'repeat'; did you mean 'repeats'"):
        read_options(measure, ["repeat=5"])
    with pytest.raises(SpecError, match="--set repeats=x: input should be a valid integer"):
        read_options(measure, ["repeats=x"])
    with pytest.raises(SpecError, match="unknown option 'on_row'; known: repeats, nets"):
        read_options(measure, ["on_row=1"])


def test_a_new_suite_is_one_file(tmp_path, monkeypatch, capsys):
    (tmp_path / "counting.py").write_text(SUITE, encoding="utf-8")
    monkeypatch.setattr(kdsearch.bench, "__path__", [*kdsearch.bench.__path__, str(tmp_path)])
    try:
        assert commands.run(["bench", "counting", "--set", "times=2"]) == 0
    finally:
        sys.modules.pop("kdsearch.bench.counting", None)
    told = capsys.readouterr().out
    assert "turn 0\nturn 1\n" in told
    assert "turns: 2" in told


@pytest.mark.parametrize("name", registry.available("kdsearch.bench"))
def test_every_suite_has_a_run_whose_options_have_defaults_and_types(name):
    run = importlib.import_module(f"kdsearch.bench.{name}").run
    options = inspect.signature(run).parameters
    assert all(option.default is not inspect.Parameter.empty for option in options.values())
    assert options.keys() <= typing.get_type_hints(run).keys()
