from __future__ import annotations

import math
from dataclasses import replace

from kdsearch.report.finalists import show_finalists
from kdsearch.spec.metric import LIKELIHOOD
from tests.report.conftest import UNIFORM, WINNER, make_finalist, run_of


def test_each_finalist_has_its_score_and_what_it_reached_in_each_round_and_the_last_round_comes_first(outcomes):
    stranger = dict.fromkeys(WINNER, 8)
    told = [
        make_finalist(1, UNIFORM, "uniform widths", 3, 0.5),
        make_finalist(1, WINNER, "crossover of 80 and 7", 3, 0.6),
        make_finalist(1, stranger, "<b>", 3, 0.4),
        make_finalist(2, WINNER, "crossover of 80 and 7", 10, 0.7),
    ]
    (table,) = show_finalists(run_of(outcomes, finalists=told)).tables
    assert table.heads == ("finalist", "in the search", "after 3 epochs", "after 10 epochs")
    first, *others = table.rows
    assert first == ("trial 115: crossover of 80 and 7 ✓", "68.50 %", "60.00 %", "70.00 %")
    assert [row[1:] for row in others] == [(others[0][1], "50.00 %", "–"), ("–", "40.00 %", "–")]
    assert others[1][0] == "<b>"


def test_the_winner_stands_first_whatever_the_order_of_scores(outcomes):
    told = [
        make_finalist(number, widths, "x", epochs, accuracy)
        for widths, reached in ((UNIFORM, (0.4, 0.8)), (WINNER, (0.6, 0.9)))
        for number, epochs, accuracy in zip((1, 2), (3, 10), reached, strict=True)
    ]
    rows = show_finalists(run_of(outcomes, finalists=told)).tables[0].rows
    assert [row[-1] for row in rows] == ["90.00 %", "80.00 %"]
    assert ["✓" in row[0] for row in rows] == [True, False]


def test_budgets_have_tables_of_their_own_and_a_run_without_finalists_has_none(outcomes):
    told = [make_finalist(1, UNIFORM, "uniform widths", 3, 0.5, budget) for budget in (0, 1)]
    tables = show_finalists(run_of(outcomes, finalists=told)).tables
    assert [table.title for table in tables] == ["Budget 1 (winner-0)", "Budget 2 (winner-1)"]
    assert show_finalists(run_of(outcomes)) is None


def test_where_finalists_are_compared_by_likelihood_it_stands_beside_their_accuracy_and_orders_them(outcomes):
    told = [
        make_finalist(1, UNIFORM, "uniform widths", 3, 0.5, score=-1.25),
        make_finalist(1, WINNER, "crossover of 80 and 7", 3, 0.4, score=-1.125),
        make_finalist(1, dict.fromkeys(WINNER, 8), "broken", 3, 0.6, score=math.nan),
    ]
    section = show_finalists(run_of(outcomes, finalists=told, ranked_by=LIKELIHOOD.describe()))
    assert "in brackets the log-likelihood of the labels, nats, by which finalists are compared" in section.note
    rows = section.tables[0].rows
    assert [row[-1] for row in rows] == ["40.00 % (−1.125)", "50.00 % (−1.250)", "60.00 % (nan)"]
    assert "✓" in rows[0][0]


def test_nats_are_not_spoken_of_where_accuracy_compares(outcomes):
    found = run_of(outcomes, finalists=[make_finalist(1, UNIFORM, "uniform widths", 3, 0.5)])
    assert "brackets" not in show_finalists(found).note
    assert "brackets" not in show_finalists(replace(found, score=LIKELIHOOD)).note
