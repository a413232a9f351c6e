from __future__ import annotations

import pytest

from kdsearch.report.reading import read_run
from kdsearch.report.verdict import judge_fit, judge_proxy, judge_search


def net_of(summary: dict, role: str) -> dict:
    return next(row for row in summary["students"] if row["role"] == role)


def set_accuracy(summary: dict, role: str, accuracy: float, *, spread: float | None = 0.004) -> None:
    row = net_of(summary, role)
    row["metrics"]["accuracy"] = accuracy
    row["spread"] = {} if spread is None else {"accuracy": spread}
    row["lineage"]["seeds"] = {"0": accuracy} if spread is None else {"0": accuracy, "1": accuracy, "2": accuracy}


@pytest.mark.parametrize(
    ("winner", "uniform", "spread", "word"),
    [
        (0.910, 0.900, 0.009, "yes"),
        (0.910, 0.900, 0.011, "unclear"),
        (0.90, 0.91, 0.011, "unclear"),
        (0.90, 0.91, 0.009, "no"),
    ],
)
def test_a_search_was_worth_it_only_beyond_the_larger_spread(summary, winner, uniform, spread, word):
    set_accuracy(summary, "winner", winner, spread=0.001)
    set_accuracy(summary, "uniform", uniform, spread=spread)
    assert judge_search(read_run(summary, ()), 0).word == word


def test_the_sentence_has_the_gain_the_spread_and_the_random_nets(summary):
    text = judge_search(read_run(summary, ()), 0).text
    assert "+1.5 points" in text
    assert "spread over 3 seeds (0.4 points)" in text
    assert "+2.7 against the mean of 3 random nets" in text  # 91.3 - (88.0 + 88.6 + 89.2) / 3


def test_one_seed_is_never_a_yes(summary):
    set_accuracy(summary, "winner", 0.95, spread=None)
    set_accuracy(summary, "uniform", 0.50, spread=None)
    answer = judge_search(read_run(summary, ()), 0)
    assert answer.word == "unclear"
    assert "finish.seeds: 3" in answer.text
    summary["task"]["test_images"] = 500
    answer = judge_search(read_run(summary, ()), 0)
    assert answer.word == "unclear"
    assert "500 test images (4.9 points)" in answer.text  # 2 sqrt((.95 * .05 + .5 * .5) / 500) = 0.0488


def test_a_winner_that_is_the_uniform_net_says_so(summary):
    net_of(summary, "winner")["widths"] = dict(net_of(summary, "uniform")["widths"])
    answer = judge_search(read_run(summary, ()), 0)
    assert (answer.word, "uniform-width net itself" in answer.text) == ("no", True)


def test_without_a_uniform_net_nothing_is_claimed(summary):
    summary["students"] = [row for row in summary["students"] if row["role"] != "uniform"]
    assert judge_search(read_run(summary, ()), 0).word == "unknown"


def test_the_budget_is_compared_with_every_limited_cost(summary):
    assert judge_fit(read_run(summary, ()), 0).word == "yes"
    summary["budgets"] = [{"macs": [None, 75_000_000], "parameters": [None, 1_000]}]
    answer = judge_fit(read_run(summary, ()), 0)
    assert answer.word == "no"
    assert "74.6 M MACs of at most 75.0 M (49.7 % of the full net)" in answer.text


def test_no_limit_is_said(summary):
    summary["budgets"] = [{}]
    assert "no limit" in judge_fit(read_run(summary, ()), 0).text


def test_a_weak_proxy_makes_the_search_weak_and_says_what_to_raise(summary):
    summary["proxy"] = {
        "verdict": "weak",
        "ratio": 0.4,
        "spread": 0.01,
        "stderr": 0.02,
        "advice": ["raise strategy.epochs"],
    }
    answer = judge_proxy(read_run(summary, ()))
    assert (answer.word, answer.text) == ("no", "The search is weak: raise strategy.epochs.")


def test_a_believable_proxy_shows_its_figures(summary):
    answer = judge_proxy(read_run(summary, ()))
    assert answer.word == "yes"
    assert "74 %" in answer.text
    assert "1.82 %, with a standard error of 0.61 %" in answer.text


def test_a_run_that_checked_nothing_says_so():
    assert judge_proxy(read_run({"schema": 1}, ())).word == "unknown"
    assert judge_search(read_run({"schema": 1}, ()), 0).word == "unknown"
    assert judge_fit(read_run({"schema": 1}, ()), 0).word == "unknown"
