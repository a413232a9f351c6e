from __future__ import annotations

from importlib import resources

import pytest
from jinja2 import TemplateNotFound, UndefinedError

from kdsearch.report.answers import Card
from kdsearch.report.rendering import render_template


def test_the_templates_are_files_of_the_package():
    folder = resources.files("kdsearch.report").joinpath("templates")
    assert {each.name for each in folder.iterdir()} == {"charts.html", "page.html", "parts.html", "result.html"}


def test_a_value_that_is_missing_is_an_error_and_no_gap():
    with pytest.raises(UndefinedError, match="'figures' is undefined"):
        render_template("charts.html")


def test_an_unknown_template_is_an_error():
    with pytest.raises(TemplateNotFound):
        render_template("none.html")


def test_a_share_stays_on_the_line_of_its_number(summary):
    from kdsearch.report.html import render

    page = render(summary, ())
    assert "99\N{NO-BREAK SPACE}% and 99\N{NO-BREAK SPACE}% of the MACs" in page
    assert Card(missing="x").result is None
