"""The reference of keys: complete, and what docs/study.md shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kdsearch import registry
from kdsearch.commands import run
from kdsearch.spec.reference import list_entries, write_reference
from kdsearch.spec.sections import Recipe

DOCS = Path(__file__).parents[2] / "docs/study.md"
PLUGINS = {"search": "searchers", "strategy": "strategies", "executor": "executors", "export": "exporters"}


def test_the_page_of_keys_is_what_the_options_say_today():
    told = DOCS.read_text(encoding="utf-8")
    assert told[told.index("## a study") :] == write_reference(), "kdsearch keys has changed: make docs"


@pytest.mark.parametrize("section", PLUGINS)
def test_every_option_of_every_plug_in_is_told(section):
    entries = list_entries(section)
    package = f"kdsearch.{PLUGINS[section]}"
    recipe = {key for entry in entries if entry.title == "recipe" for key, _, _ in entry.rows}
    for name in registry.available(package):
        (entry,) = (entry for entry in entries if entry.title == f"{section}: {{name: {name}}}")
        options = registry.find(package, name).Options
        shared = recipe if issubclass(options, Recipe) else set()
        assert {key for key, _, _ in entry.rows} | shared == set(options.model_fields)


def test_a_row_says_what_a_key_may_be_and_its_default():
    rows = {
        key: rest
        for entry in list_entries()
        if entry.title == "task: {name: classification}"
        for key, *rest in entry.rows
    }
    assert rows["image_size"] == ["a whole number >= 8 <= 1024 or null", "`null`"]
    assert rows["dataset"] == ["`mnist5k` or null", "`null`"]
    (limits,) = (entry for entry in list_entries("limits"))
    assert limits.rows[0][1] == "a list, each a share such as 50% or a number such as 300M"


def test_the_command_prints_a_section_and_refuses_what_is_none(capsys):
    assert run(["keys", "budget"]) == 0
    assert capsys.readouterr().out.startswith("## budget\n\nWhen the search ends: after `trials` evaluations")
    assert run(["keys", "budget", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)["sections"]
    assert entry["rows"][0] == ["trials", "a whole number >= 1 <= 1000000", "`200`"]
    assert run(["keys", "budgets"]) == 2
    assert capsys.readouterr().err == "unknown section 'budgets'; did you mean 'budget'?\n"
