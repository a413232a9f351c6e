from __future__ import annotations

import pytest

from kdsearch.report.answers import show_answers, show_head
from kdsearch.report.reading import read_run
from kdsearch.report.verdict import answer_all
from tests.report.conftest import run_of


def test_the_head_says_what_the_run_was(summary):
    head = show_head(read_run(summary, ()))
    assert head.facts == ("vgg11_bn", "cifar10", "seed 0", "121 trials", "16 min")  # 212 + 96.4 + 640 + 12.1 s
    assert (head.state, head.said) == ("done", "finished")


@pytest.mark.parametrize(
    ("state", "stopped", "said"),
    [
        ("running", "", "still running, or killed: figures are those of the last save"),
        ("failed", "no images", "failed; what was finished is shown: no images"),
        ("stopped", "out of minutes", "ended before its search was through: out of minutes"),
    ],
)
def test_the_head_says_how_it_ended_and_why(state, stopped, said):
    assert show_head(run_of(state=state, stopped=stopped)).said == said


def test_a_result_is_a_figure_a_share_and_what_the_full_net_reaches(summary):
    (card,) = show_answers(read_run(summary, ()))
    result = card.result
    assert (result.figure, result.shares, result.full) == ("91.3 %", (("50 %", "MACs"),), "92.6 %")
    assert result.figures[0] == ("test accuracy", "91.3 ± 0.4 %", "mean of 3 seeds")
    assert ("MACs", "74.6 M", "full net 150 M") in result.figures
    assert [answer.word for answer in card.answers] == ["yes", "yes", "yes"]


@pytest.mark.parametrize(
    ("limits", "shares"),
    [
        ({"macs": 1e9}, (("50 %", "MACs"),)),
        ({"parameters": 1e9}, (("50 %", "parameters"),)),
        ({"size_bytes": 1e9}, (("50 %", "size"),)),
        ({"latency_ms": 9.0}, ()),  # nobody has measured the full net's
        ({"macs": 1e9, "parameters": 1e9}, (("50 %", "MACs"), ("50 %", "parameters"))),
        ({}, (("50 %", "MACs"),)),
    ],
)
def test_the_headline_names_what_the_budget_limits(summary, limits, shares):
    summary["budgets"] = [{cost: [None, high] for cost, high in limits.items()}]
    del summary["full"]["costs"]["latency_ms"]
    (card,) = show_answers(read_run(summary, ()))
    assert card.result.shares == shares


def test_what_fusing_saves_stands_beside_the_cost(summary):
    summary["students"][0]["lineage"]["delivered"] = {"macs": 70_000_000, "blocks": 3}
    (card,) = show_answers(read_run(summary, ()))
    assert ("MACs", "74.6 M", "full net 150 M; 70.0 M as exported, fused") in card.result.figures


def test_the_page_answers_what_the_console_answers(summary):
    scratch = next(row for row in summary["students"] if row["role"] == "winner") | {"id": "scratch", "role": "scratch"}
    summary["students"].append(scratch)
    run = read_run(summary, ())
    shown = [answer for card in show_answers(run) for answer in card.answers]
    assert shown == answer_all(run)
    assert any("inherited" in answer.question for answer in shown)
