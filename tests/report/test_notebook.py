from __future__ import annotations

import re

import pytest

from kdsearch.progress import Progress
from kdsearch.report.notebook import Cell, chart_run, in_notebook, say_result, show_result, shown_here
from kdsearch.spec.metric import Metric
from tests.report.conftest import blank


class Clock:
    """A clock that stands still until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_cell_is_written_over_at_most_four_times_a_second_and_ends_with_what_it_took():
    shown, clock = [], Clock()
    cell = Cell(shown.append, clock)
    for step in range(1, 1001):
        clock.now += 0.01
        cell(Progress("search", step, 1000, "random", {"accuracy": 0.5}))
    cell.finish()
    assert 38 <= len(shown) <= 42  # of ten seconds
    assert shown[-2]["text/plain"].startswith("search  ")
    assert re.search(r'<progress value="\d+" max="1000">.*random  accuracy 50.0 %', shown[-2]["text/html"])
    assert shown[-1]["text/plain"] == "done: search 10 s"


def test_each_new_phase_is_shown_at_once_and_hostile_notes_are_text():
    shown = []
    cell = Cell(shown.append, Clock(), Metric("mae", better="lower", unit="steps"))
    for phase in ("prepare", "search", "finish"):
        cell(Progress(phase, 0, 0, "<script>"))
    assert [bundle["text/plain"].split()[0] for bundle in shown] == ["prepare", "search", "finish"]
    assert "&lt;script&gt;" in shown[0]["text/html"]
    assert "<script>" not in shown[0]["text/html"]


def test_a_run_without_a_message_shows_nothing():
    shown = []
    Cell(shown.append, Clock()).finish()
    assert shown == []


def test_outside_a_notebook_progress_is_that_of_the_command_line(capsys):
    assert not in_notebook()
    with shown_here() as watch:
        watch(Progress("search", 1, 2))
    assert capsys.readouterr().err == "search  1/2\n"


def test_a_result_is_one_line_and_a_table_with_the_answers(summary):
    assert say_result(summary) == ("vgg11-cifar10: done; winner 91.3 ± 0.4 % at 74.6 M MACs (runs/vgg11-cifar10)")
    page = show_result(summary)
    assert page.count("<tr>") == 1 + len(summary["students"])
    assert "Was the search worth it? <b>yes</b>: +1.5 points over uniform widths" in page


def test_a_run_without_students_says_so():
    assert say_result(blank(run_dir="runs/x")) == "x: done; no student yet (runs/x)"
    assert "No net has been trained to the end yet." in show_result(blank())


def test_charts_say_what_they_are_and_lie_in_a_frame_of_their_own(summary, outcomes):
    charts = chart_run(summary, outcomes)
    assert repr(charts).startswith("6 charts: Trained nets: accuracy against MACs; ")
    page = charts._repr_html_()
    assert re.fullmatch(r'<iframe srcdoc="[^"]*" width="100%" height="\d+" style="border:0"></iframe>', page)
    assert page.count("&lt;svg ") == 6


@pytest.mark.parametrize("several", [False, True])
def test_the_answers_of_several_budgets_are_told_apart(summary, several):
    if several:
        again = [row | {"id": f"{row['id']}-1", "budget": 1} for row in summary["students"] if row["budget"] == 0]
        summary["students"] += again
        summary["budgets"] *= 2
    assert ("Budget 2 (winner-1): Was the search worth it?" in show_result(summary)) is several
