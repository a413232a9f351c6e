"""Gains say whether they can be told from chance."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from kdsearch.measures.intervals import Interval
from kdsearch.report.console import print_summary
from kdsearch.report.gains import DOUBT_MEANS, gain_interval, gain_over, gain_over_random, say_gain, say_interval
from kdsearch.report.html import render
from kdsearch.report.note import to_markdown
from kdsearch.report.reading import read_run
from kdsearch.report.run import Net, Run
from kdsearch.spec.metric import ACCURACY, Metric


def nets(summary: dict, *, spread: float | None = 0.004, seeds: int = 3) -> tuple[Run, Net, Net]:
    run = read_run(summary, ())
    winner, uniform = (run.find(role, 0) for role in ("winner", "uniform"))
    assert winner is not None
    assert uniform is not None
    return run, replace(winner, spread=spread, seeds=seeds), uniform


def test_the_interval_is_welchs_of_both_nets_trainings(summary):
    run, winner, uniform = nets(summary)
    found = gain_interval(run, winner, uniform)
    assert found is not None
    half = 2.776 * (2 / 3) ** 0.5 * 0.004  # t of 4 degrees of freedom, three trainings each of deviation 0.004
    assert (found.low, found.high) == pytest.approx((0.015 - half, 0.015 + half), abs=1e-5)
    assert say_interval(run.metric, found) == "95% interval +0.6 to +2.4"


@pytest.mark.parametrize(("spread", "seeds"), [(None, 3), (0.004, 1), (None, 1)])
def test_a_single_training_has_no_interval_and_its_gain_a_question_mark(summary, spread, seeds):
    run, winner, uniform = nets(summary, spread=spread, seeds=seeds)
    assert gain_interval(run, winner, uniform) is None
    assert say_gain(run, winner, uniform) == "+1.5 ?"


@pytest.mark.parametrize(("spread", "said"), [(0.004, "+1.5"), (0.02, "+1.5 ?")])
def test_only_an_interval_without_zero_takes_the_question_mark_away(summary, spread, said):
    run, winner, uniform = nets(summary, spread=spread)
    assert say_gain(run, winner, uniform) == said


def test_of_an_error_the_lower_one_gains(summary):
    run, winner, uniform = nets(summary)
    run = replace(run, metric=Metric("accuracy", better="lower"))
    assert gain_over(run, winner, uniform) == pytest.approx(-0.015)
    found = gain_interval(run, winner, uniform)
    assert found is not None
    assert found.high < 0


def test_of_random_nets_each_is_a_draw(summary):
    run, winner, _ = nets(summary)
    drawn = run.find_all("random", 0)  # 88.0, 88.6, 89.2
    found = gain_over_random(run, winner, drawn)
    assert found is not None
    assert (found.low + found.high) / 2 == pytest.approx(0.913 - 0.886)
    assert found.low > 0
    assert gain_over_random(run, winner, drawn[:1]) is None
    assert gain_over_random(run, replace(winner, seeds=1), drawn) is None


def test_the_digits_can_be_more():
    assert say_interval(ACCURACY, Interval(-0.00123, 0.0456), more_digits=1) == "95% interval −0.12 to +4.56"


SIGNED = re.compile(r"[+−]\d+\.\d( \?)?")


@pytest.mark.parametrize("spread", [0.0001, 0.05])
def test_every_signed_difference_of_a_report_has_its_interval_or_a_question_mark(summary, spread, capsys):
    """In table, page and note: nets that were trained once are marked, and those of a wide spread."""
    for row in summary["students"]:
        row["spread"] = {"accuracy": spread} if row["spread"] else {}
    print_summary(summary)
    page = re.sub("<[^>]+>", " ", render(summary, ()).partition("Nets compared")[2].partition("<figure>")[0])
    for text in (capsys.readouterr().out, page, to_markdown(summary)):
        assert DOUBT_MEANS in text
        lines = [line for line in text.splitlines() if "Was the search" not in line]
        told = [found.group(0) for line in lines for found in SIGNED.finditer(line)]
        assert len(told) == 4  # the winner and three random nets
        assert [said.endswith("?") for said in told] == [spread > 0.01, True, True, True]
