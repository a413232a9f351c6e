"""What candidates are ranked by is told in the words of their strategy, wherever it is told."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from kdsearch import registry
from kdsearch.records import SCORE
from kdsearch.report.console import print_summary
from kdsearch.report.html import render
from kdsearch.report.note import to_markdown
from kdsearch.spec.metric import LIKELIHOOD, Metric
from kdsearch.spec.strategy_options import StrategyOptions
from tests.report.conftest import make_outcomes, make_summary

PACKAGE = "kdsearch.strategies"


class Margins(StrategyOptions):
    """Options of a strategy that ranks by something of its own."""

    @property
    def score_metric(self):
        return Metric("margin", label="margin of the right class", unit="logits", digits=2, points="logits")


class Agreements(StrategyOptions):
    """The same, told as a share."""

    @property
    def score_metric(self):
        return Metric("agreement", label="agreement with the teacher", unit="%", times=100, digits=1)


def every_option() -> list:
    """The options of every strategy there is, with each value of what it ranks by, and of two that there might be."""
    found = []
    for name in registry.available(PACKAGE):
        kind = registry.find(PACKAGE, name).Options
        choices = ("likelihood", "metric") if "ranked_by" in kind.model_fields else (None,)
        found += [(name, kind() if each is None else kind(ranked_by=each)) for each in choices]
    return [*found, ("margins", Margins()), ("agreements", Agreements())]


OPTIONS = [pytest.param(options, id=f"{name}-{at}") for at, (name, options) in enumerate(every_option())]


def told(score: Metric | None) -> dict[str, str]:
    """All that is told of a run whose candidates were ranked so: page, console, note; its charts within the page."""
    summary, outcomes = make_summary(), make_outcomes(40)
    summary["ranked_by"] = None if score is None else score.describe()
    for row in summary["finalists"]:
        row["score"] = None if score is None else 0.25
    more = {} if score is None else {SCORE: 0.5}
    outcomes = [replace(each, metrics=each.metrics | more) for each in outcomes if each.state == "done"]
    stream = io.StringIO()
    print_summary(summary, stream)
    page = render(summary, outcomes).partition("<body>")[2].partition("<script>")[0]
    return {"page": page, "console": stream.getvalue(), "note": to_markdown(summary)}


@pytest.mark.parametrize("options", OPTIONS)
def test_a_score_is_named_as_its_strategy_names_it_and_as_nothing_else(options):
    score = options.score_metric
    others = {LIKELIHOOD, Margins().score_metric, Agreements().score_metric} - {score}
    for place, text in told(score).items():
        for other in others:
            assert other.words not in text, place
            assert not other.unit.isalpha() or f" {other.unit}" not in text, place
        if score is not None and score.unit.isalpha():
            assert f" {score.unit}" in text, place
    if score is not None:
        page = told(score)["page"]
        assert f"<dt>ranked by</dt><dd>{score.words} on the validation images</dd>" in page
        assert page.count(f">{score.axis} (validation images)</text>") == 2  # the charts of trials


@pytest.mark.parametrize("options", OPTIONS)
def test_a_score_is_better_when_higher(options):
    assert options.score_metric is None or options.score_metric.better == "higher"
