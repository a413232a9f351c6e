"""Of a figure that is better when lower every word, sign and order is turned, and nothing else."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest

from kdsearch.progress import Progress
from kdsearch.records import pareto_front
from kdsearch.report.board import Board
from kdsearch.report.console import print_summary
from kdsearch.report.finalists import show_finalists
from kdsearch.report.html import render
from kdsearch.report.note import to_markdown
from kdsearch.report.reading import read_run
from kdsearch.report.table import list_cells
from kdsearch.report.trials import draw_progress, draw_trials
from kdsearch.report.verdict import judge_search
from kdsearch.spec.metric import Metric
from tests.report.conftest import UNIFORM, WINNER, make_finalist, make_outcomes, make_summary

RISING = Metric("hits", unit="%", times=100, digits=1, points="points")
FALLING = Metric("misses", better="lower", unit="%", times=100, digits=1, points="points")
METRICS = [pytest.param(RISING, id="higher"), pytest.param(FALLING, id="lower")]


def turned(metric: Metric, figure: float) -> float:
    return figure if metric is RISING else 1 - figure


def told(metric: Metric, winner: float, uniform: float, spread: float) -> dict:
    """A finished run with hits of these shares, told by ``metric``: hits, or what is missing to all."""
    summary = make_summary()
    summary["task"] |= {"metric": metric.describe()}
    reached = {"winner": winner, "uniform": uniform}
    for row in summary["students"]:
        share = reached.get(row["role"], row["metrics"]["accuracy"])
        row["metrics"] = {name: turned(metric, share) for name in (metric.name, metric.validation)}
        row["spread"] = {metric.name: spread} if row["spread"] else {}
    for row in summary["finalists"]:
        row[metric.validation] = turned(metric, row.pop("validation_accuracy"))
    return summary


CASES = [(0.913, 0.898, 0.004, "yes"), (0.898, 0.913, 0.004, "no"), (0.913, 0.898, 0.03, "unclear")]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("winner", "uniform", "spread", "word"), CASES)
def test_the_verdict_is_the_same_in_report_console_and_note(metric, winner, uniform, spread, word):
    summary = told(metric, winner, uniform, spread)
    answer = judge_search(read_run(summary, ()), 0)
    signed = f"{100 * (winner - uniform):+.1f}".replace("-", "−")
    assert answer.word == word
    assert re.search(rf"(^|: ){re.escape(signed)} points", answer.text)
    stream = io.StringIO()
    print_summary(summary, stream)
    assert f"Was the search worth it? {word}: {answer.text}" in stream.getvalue()
    page = render(summary, ()).replace("\N{NO-BREAK SPACE}", " ")
    assert f"<b>Was the search worth it?</b> <em>{word}</em><br>{answer.text}" in page
    assert f"* Was the search worth it? **{word}** {answer.text}" in to_markdown(summary).replace("\\", "")


@pytest.mark.parametrize("metric", METRICS)
def test_a_gain_has_a_plus_whichever_way_the_figure_goes(metric):
    run = read_run(told(metric, 0.913, 0.898, 0.004), ())
    winner = run.find("winner", 0)
    assert list_cells(run, winner)[:3] == ["winner", f"{'91.3' if metric is RISING else '8.7'} ± 0.4 %", "+1.5"]


@pytest.mark.parametrize("metric", METRICS)
def test_the_best_finalist_is_the_one_that_is_better(metric):
    summary = told(metric, 0.9, 0.8, 0.004)
    summary["finalists"] = [
        make_finalist(1, widths, "x", 3, 0) | {metric.validation: turned(metric, share)}
        for widths, share in ((UNIFORM, 0.6), (WINNER, 0.61))
    ]
    (table,) = show_finalists(read_run(summary, ())).tables
    assert table.rows[0] == ("x ✓", "–", f"{'61.00' if metric is RISING else '39.00'} %")


def outcomes_of(metric: Metric) -> list:
    done = [outcome for outcome in make_outcomes(40) if outcome.state == "done"]
    return [replace(each, metrics={metric.name: turned(metric, each.figure)}, metric=metric) for each in done]


@pytest.mark.parametrize("draw", [draw_trials, draw_progress])
def test_better_is_higher_up_in_a_chart_of_trials_and_ticks_tell_the_figure(draw):
    """Both pictures are one, but for the words."""
    pictures = []
    for metric in (RISING, FALLING):
        svg = draw(read_run(told(metric, 0.9, 0.8, 0.004), outcomes_of(metric))).svg
        pictures.append(re.findall(r'<(?:circle|path) class="(?:trial|front|line \w+)"[^>]*>', svg))
        ticks = [float(tick) for tick in re.findall(r'text-anchor="end">([\d.]+) %<', svg)]
        assert ticks == sorted(ticks, reverse=metric is FALLING)  # from the bottom up
    assert pictures[0] == pictures[1]


def test_the_front_holds_the_same_trials():
    fronts = [[outcome.number for outcome in pareto_front(outcomes_of(metric))] for metric in (RISING, FALLING)]
    assert fronts[0] == fronts[1]
    assert len(fronts[0]) > 1


@pytest.mark.parametrize("metric", METRICS)
def test_the_live_display_takes_the_better_figure_for_the_best(metric):
    board = Board(metric)
    for step, share in enumerate((0.5, 0.7, 0.6), start=1):
        board.post(Progress("search", step, 3, values={metric.name: turned(metric, share)}), float(step))
    assert board.best == pytest.approx(turned(metric, 0.7))
