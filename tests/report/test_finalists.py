from __future__ import annotations

import math
import re

from kdsearch.report.finalists import write_finalists
from kdsearch.report.reading import read_run
from tests.report.conftest import UNIFORM, WINNER, make_finalist


def rows_of(page: str) -> list[list[str]]:
    return [re.findall(r"<t[hd]>(?:<i[^>]*></i>)?(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", page)]


def test_each_finalist_has_its_score_and_what_it_reached_in_each_round_and_the_last_round_comes_first(outcomes):
    stranger = dict.fromkeys(WINNER, 8)
    told = [
        make_finalist(1, UNIFORM, "uniform widths", 3, 0.5),
        make_finalist(1, WINNER, "crossover of 80 and 7", 3, 0.6),
        make_finalist(1, stranger, "<b>", 3, 0.4),
        make_finalist(2, WINNER, "crossover of 80 and 7", 10, 0.7),
    ]
    head, first, *others = rows_of(write_finalists(read_run({"finalists": told}, outcomes)))
    assert head == ["finalist", "in the search", "after 3 epochs", "after 10 epochs"]
    assert first == ["trial 115: crossover of 80 and 7 ✓", "68.50 %", "60.00 %", "70.00 %"]
    assert [row[1:] for row in others] == [[others[0][1], "50.00 %", "–"], ["–", "40.00 %", "–"]]
    assert others[1][0] == "&lt;b&gt;"


def test_the_winner_stands_first_whatever_the_order_of_scores(outcomes):
    told = [
        make_finalist(number, widths, "x", epochs, accuracy)
        for widths, reached in ((UNIFORM, (0.4, 0.8)), (WINNER, (0.6, 0.9)))
        for number, epochs, accuracy in zip((1, 2), (3, 10), reached, strict=True)
    ]
    _, *rows = rows_of(write_finalists(read_run({"finalists": told}, outcomes)))
    assert [row[-1] for row in rows] == ["90.00 %", "80.00 %"]
    assert ["✓" in row[0] for row in rows] == [True, False]


def test_budgets_have_tables_of_their_own_and_a_run_without_finalists_has_none(outcomes):
    told = [make_finalist(1, UNIFORM, "uniform widths", 3, 0.5, budget) for budget in (0, 1)]
    page = write_finalists(read_run({"finalists": told}, outcomes))
    assert re.findall(r"<h3>(.*?)</h3>", page) == ["Budget 1 (winner-0)", "Budget 2 (winner-1)"]
    assert page.count("<table>") == 2
    assert write_finalists(read_run({}, outcomes)) == ""


def test_where_finalists_are_compared_by_likelihood_it_stands_beside_their_accuracy_and_orders_them(outcomes):
    told = [
        make_finalist(1, UNIFORM, "uniform widths", 3, 0.5, score=-1.25),
        make_finalist(1, WINNER, "crossover of 80 and 7", 3, 0.4, score=-1.125),
        make_finalist(1, dict.fromkeys(WINNER, 8), "broken", 3, 0.6, score=math.nan),
    ]
    page = write_finalists(read_run({"finalists": told}, outcomes))
    assert "mean log-likelihood of their labels in nats" in page
    _, *rows = rows_of(page)
    assert [row[-1] for row in rows] == ["40.00 % (-1.125)", "50.00 % (-1.250)", "60.00 % (nan)"]
    assert "✓" in rows[0][0]


def test_nats_are_not_spoken_of_where_accuracy_compares(outcomes):
    page = write_finalists(read_run({"finalists": [make_finalist(1, UNIFORM, "uniform widths", 3, 0.5)]}, outcomes))
    assert "nats" not in page
