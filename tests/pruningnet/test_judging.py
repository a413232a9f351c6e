"""Whether a score can be believed, worked by hand."""

from __future__ import annotations

import statistics

import pytest

from kdsearch.pruningnet.judging import judge_proxy


def check(*budgets) -> dict:
    return {"budgets": [{"uniform_score": u, "random_scores": list(r), "stderr": e} for u, r, e in budgets]}


def test_a_close_score_with_a_wide_spread_is_trusted():
    judged = judge_proxy(check((0.6, (0.5, 0.6, 0.7), 0.02)), [0.8])
    assert judged["verdict"] == "trusted"
    assert judged["ratio"] == pytest.approx(0.75)
    assert judged["spread"] == pytest.approx(0.1)
    assert judged["advice"] == []


def test_below_seven_tenths_of_the_net_trained_alone_it_is_weak():
    judged = judge_proxy(check((0.55, (0.5, 0.6, 0.7), 0.02)), [0.8])
    assert judged["verdict"] == "weak"
    (advice,) = judged["advice"]
    assert advice.startswith("generated weights reach 0.69 of the accuracy that the net reaches after its own training")


def test_a_spread_inside_the_error_is_weak():
    scores = (0.60, 0.61, 0.62)
    assert statistics.stdev(scores) == pytest.approx(0.01)
    judged = judge_proxy(check((0.6, scores, 0.02)), [0.6])
    assert judged["verdict"] == "weak"
    assert "random candidates differ by 0.0100" in judged["advice"][0]


def test_random_candidates_that_are_all_the_same_say_that_the_limits_are_narrow():
    judged = judge_proxy(check((0.6, (0.6, 0.6, 0.6), 0.02)), [0.6])
    (advice,) = judged["advice"]
    assert judged["verdict"] == "weak"
    assert advice.startswith("random candidates are one and the same: hardly any fits the limits; widen limits.window")


def test_a_net_that_was_hardly_trained_is_nothing_to_compare_scores_with():
    judged = judge_proxy(check((0.9, (0.5, 0.6, 0.7), 0.02), (0.5, (0.5, 0.5), 0.02)), [0.3, 0.8])
    assert judged["verdict"] == "unknown"
    assert [line.rpartition(": ")[2] for line in judged["advice"]] == ["raise finish.epochs"]
    assert judged["budgets"][0]["ratio"] == pytest.approx(3.0)


def test_the_ratio_is_of_accuracies_and_the_spread_of_what_ranks():
    row = {"uniform_accuracy": 0.6, "uniform_score": -1.1, "random_scores": [-1.2, -1.1], "stderr": 0.01}
    judged = judge_proxy({"budgets": [row | {"ranked_by": "likelihood"}]}, [0.8])
    assert (judged["verdict"], judged["ranked_by"]) == ("trusted", "likelihood")
    assert judged["ratio"] == pytest.approx(0.75)
    assert judged["spread"] == pytest.approx(0.1 / 2**0.5)


def test_of_several_budgets_the_worst_counts():
    judged = judge_proxy(check((0.8, (0.5, 0.7), 0.02), (0.2, (0.5, 0.9), 0.03)), [0.8, 0.8])
    assert (judged["verdict"], judged["ratio"], judged["stderr"]) == ("weak", pytest.approx(0.25), 0.03)
    assert judged["spread"] == pytest.approx(statistics.stdev((0.5, 0.7)))


@pytest.mark.parametrize("figures", [None, {}, {"budgets": []}, check((0.5, (), 0.02))])
def test_what_was_not_measured_is_not_judged(figures):
    assert judge_proxy(figures, [None])["verdict"] == "unknown"


def test_half_of_the_evidence_can_condemn_but_not_acquit():
    assert judge_proxy(check((0.5, (), 0.02)), [0.6])["verdict"] == "unknown"
    assert judge_proxy(check((0.5, (0.1, 0.9), 0.02)), [None])["verdict"] == "unknown"
    assert judge_proxy(check((0.5, (0.1, 0.1), 0.02)), [None])["verdict"] == "weak"
