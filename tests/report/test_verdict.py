from __future__ import annotations

import copy
import re

import pytest

from kdsearch.report.reading import read_run
from kdsearch.report.verdict import answer_all, judge_fit, judge_proxy, judge_search, judge_start
from tests.report.conftest import run_of


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
        (0.910, 0.900, 0.0044, "yes"),  # the interval reaches 2.776 sqrt(2 / 3) 0.0044 = 0.00997 to either side
        (0.910, 0.900, 0.0045, "unclear"),
        (0.90, 0.91, 0.0045, "unclear"),
        (0.90, 0.91, 0.0044, "no"),
    ],
)
def test_a_search_was_worth_it_only_where_the_interval_leaves_zero_out(summary, winner, uniform, spread, word):
    set_accuracy(summary, "winner", winner, spread=spread)
    set_accuracy(summary, "uniform", uniform, spread=spread)
    assert judge_search(read_run(summary, ()), 0).word == word


def test_the_sentence_has_gain_interval_costs_and_random_nets(summary):
    text = judge_search(read_run(summary, ()), 0).text
    assert text.startswith("+1.5 points over uniform widths (95% interval +0.6 to +2.4, 3 seeds each). ")
    assert "winner and control use 99 % and 99 % of the MACs." in text
    assert "+2.7 against the mean of 3 random nets" in text  # 91.3 - (88.0 + 88.6 + 89.2) / 3
    assert re.search(r"random nets of the same budget \(95% interval \+\d\.\d to \+\d\.\d\)\.", text)


def test_one_random_net_is_said_to_give_no_interval(summary):
    first = next(row for row in summary["students"] if row["role"] == "random")
    summary["students"] = [row for row in summary["students"] if row["role"] != "random" or row is first]
    text = judge_search(read_run(summary, ()), 0).text
    assert "against one random net of the same budget (too few trainings for an interval)" in text


def test_what_cannot_be_told_apart_is_said_so(summary):
    set_accuracy(summary, "winner", 0.897)
    answer = judge_search(read_run(summary, ()), 0)
    assert answer.word == "unclear"
    assert answer.text.startswith("Cannot be told from uniform widths: −0.1 points (95% interval −1.0 to +0.8, 3 seeds")


@pytest.mark.parametrize(("macs", "said"), [(30_000_000, True), (73_000_000, False)])
def test_unequal_macs_are_said_where_no_limit_holds_them(summary, macs, said):
    summary["budgets"] = [{"parameters": [None, 1e9]}]
    net_of(summary, "winner")["costs"]["macs"] = 74_600_000
    net_of(summary, "uniform")["costs"]["macs"] = macs
    text = judge_search(read_run(summary, ()), 0).text
    assert ("MACs are not limited: the winner has 74.6 M, the control 30.0 M" in text) == said


@pytest.mark.parametrize(("scratch", "word"), [(0.90, "yes"), (0.909, "unclear"), (0.92, "no")])
def test_the_winner_is_compared_with_its_own_net_from_fresh_weights(summary, scratch, word):
    row = copy.deepcopy(net_of(summary, "winner"))
    summary["students"].append(row | {"id": "scratch", "role": "scratch"})
    set_accuracy(summary, "winner", 0.910)
    set_accuracy(summary, "scratch", scratch)
    answer = judge_start(read_run(summary, ()), 0)
    assert (answer.question, answer.word) == ("Were the inherited weights worth it?", word)
    assert "the same net from fresh weights" in answer.text
    assert answer in answer_all(read_run(summary, ()))


def test_nobody_asks_after_inherited_weights_where_there_is_no_such_control(summary):
    assert not any("inherited" in answer.question for answer in answer_all(read_run(summary, ())))


@pytest.mark.parametrize(("macs", "word"), [(73_000_000, "yes"), (72_300_000, "unclear"), (40_000_000, "unclear")])
def test_a_gain_over_a_control_of_fewer_macs_is_no_yes(summary, macs, word):
    net_of(summary, "uniform")["costs"]["macs"] = macs  # the winner has 74.6 of 75 million
    answer = judge_search(read_run(summary, ()), 0)
    assert answer.word == word
    assert ("of a budget less, so that the gain may be that of its costs" in answer.text) == (word == "unclear")


def test_of_several_limits_the_one_with_the_widest_gap_counts(summary):
    summary["budgets"] = [{"macs": [None, 75_000_000], "parameters": [None, 5_000_000]}]
    net_of(summary, "winner")["costs"]["parameters"] = 4_900_000
    net_of(summary, "uniform")["costs"]["parameters"] = 2_550_000
    answer = judge_search(read_run(summary, ()), 0)
    assert answer.word == "unclear"
    assert (
        "99 % and 99 % of the MACs, 98 % and 51 % of the parameters; the control uses 47 % of a budget" in answer.text
    )


@pytest.mark.parametrize("gain", [0.0, 0.45])
def test_one_seed_gives_no_interval_and_is_never_a_yes(summary, gain):
    set_accuracy(summary, "winner", 0.5 + gain, spread=None)
    set_accuracy(summary, "uniform", 0.5, spread=None)
    answer = judge_search(read_run(summary, ()), 0)
    assert answer.word == "unclear"
    assert "one training each gives no interval, so it may be chance: give finish.seeds: 3" in answer.text


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
        "rank": None,
        "rank_unknown": "3 had one",
    }
    answer = judge_proxy(read_run(summary, ()))
    assert (answer.word, answer.text) == (
        "no",
        "The search is weak: raise strategy.epochs. Whether it ranks could not be judged: 3 had one.",
    )


def test_a_believable_proxy_shows_its_figures(summary):
    answer = judge_proxy(read_run(summary, ()))
    assert answer.word == "yes"
    assert "74 %" in answer.text
    assert "1.82 %, with a standard error of 0.61 %" in answer.text


@pytest.mark.parametrize(
    ("rank", "word", "said"),
    [
        (None, "unclear", "Whether it ranks could not be judged: too few candidates"),
        ((0.5, -0.2, 0.85), "unclear", "cannot be told: tau 0.50 (95% interval −0.20 to 0.85) over 9 nets."),
        ((0.7, 0.2, 0.9), "yes", "came in the order of their scores: tau 0.70"),
        ((-0.7, -0.9, -0.2), "no", "came in the opposite order: tau −0.70"),
    ],
)
def test_a_score_is_believed_only_where_it_ranks(summary, rank, word, said):
    found = rank and dict(zip(("tau", "low", "high"), rank, strict=True), count=9)
    summary["proxy"] = summary["proxy"] | {"rank": found}
    answer = judge_proxy(read_run(summary, ()))
    assert answer.word == word
    assert said in answer.text


def test_a_strategy_without_a_score_says_why_there_is_nothing_to_judge(summary):
    summary["proxy"] = {"verdict": "unknown", "advice": ["this strategy trains every candidate"], "rank": None}
    answer = judge_proxy(read_run(summary, ()))
    assert (answer.word, answer.text) == ("unknown", "It could not be judged: this strategy trains every candidate.")


def test_a_run_that_checked_nothing_says_so():
    assert judge_proxy(run_of()).word == "unknown"
    assert judge_search(run_of(), 0).word == "unknown"
    assert judge_fit(run_of(), 0).word == "unknown"
