"""The report of a search of amounts, such as the weights of a loss's terms."""

from __future__ import annotations

from kdsearch.candidates.space import Candidate
from kdsearch.records import Outcome
from kdsearch.report.amounts import draw_amounts
from kdsearch.report.figures import draw_figures
from kdsearch.report.table import list_cells, show_amounts
from kdsearch.report.verdict import judge_search
from tests.report.conftest import FULL, make_student, run_of

START, BEST = {"conv": 8, "cc.weight": 10.0}, {"conv": 8, "cc.weight": 300.0}


def outcome(number: int, weight: float, accuracy: float, pruned: float = 0.0) -> Outcome:
    metrics = {"accuracy": accuracy, "pruned": pruned}
    return Outcome(number, Candidate.of({"conv": 8, "cc.weight": weight}), "done", metrics, {"macs": 100})


OUTCOMES = [outcome(0, 10.0, 0.5), outcome(1, 300.0, 0.7), outcome(2, 1.0, 0.2, pruned=1.0)]


def student(role: str, candidate: dict, accuracy: float) -> dict:
    made = make_student(role, dict.fromkeys(FULL, 8), accuracy=accuracy, macs=100, seeds=1)
    return made | {"candidate": candidate, "widths": {"conv": 8}, "layer_widths": [["conv", 8, 8]]}


def searched(winner: dict = BEST):
    students = [student("winner", winner, 0.8), student("uniform", START, 0.7)]
    return run_of(OUTCOMES, students=students, budgets=[{}])


def test_each_amount_has_a_chart_that_tells_stopped_trials_from_whole_ones():
    (figure,) = draw_amounts(searched())
    assert figure.title == "Score against cc.weight"
    assert "cc.weight (logarithmic)" in figure.svg
    assert figure.svg.count('<circle class="trial"') == 2
    assert figure.svg.count('<circle class="given-up"') == 1
    assert figure.svg.count('<circle class="winner"') == figure.svg.count('<circle class="uniform"') == 1
    assert [words for _, words in figure.legend] == ["trained to the end", "stopped by the pruner", "start", "winner"]


def test_a_search_of_widths_has_no_such_chart():
    rows = [Outcome(0, Candidate.of({"conv": 8}), "done", {"accuracy": 0.5}, {"macs": 100})]
    run = run_of(rows)
    assert draw_amounts(run) == []
    assert not run.fixed_widths
    assert show_amounts(run) is None


def test_charts_of_widths_are_left_out_where_all_are_the_same():
    run = searched()
    assert run.fixed_widths
    assert [figure.title for figure in draw_figures(run)] == ["Best score so far", "Training of the final nets"]


def test_the_control_is_where_the_search_started():
    run = searched()
    assert [list_cells(run, net)[0] for net in run.nets] == ["winner", "start"]
    (table,) = show_amounts(run).tables
    assert table.heads == ("amount", "winner", "start")
    assert table.rows == (("cc.weight", "300", "10"),)
    assert "where the search started (cc.weight 300 against cc.weight 10)" in judge_search(run, 0).text


def test_a_winner_that_is_the_start_says_so():
    assert judge_search(searched(START), 0).text == "The best candidate found is what the search started from."
