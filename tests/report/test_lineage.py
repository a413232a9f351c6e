from __future__ import annotations

from kdsearch.candidates.space import Candidate
from kdsearch.records import Outcome
from kdsearch.report.lineage import LONGEST, say_teacher, trace_origin
from kdsearch.report.reading import read_run
from tests.report.conftest import run_of


def outcome(number: int, origin: str, score: float) -> Outcome:
    return Outcome(number, Candidate.of({"conv": number}, origin), "done", {"accuracy": score})


def test_the_chain_follows_the_better_parent_to_the_first_ancestor():
    rows = [
        outcome(0, "uniform widths", 0.5),
        outcome(1, "random at 0.25", 0.6),
        outcome(2, "crossover of 0 and 1", 0.7),
        outcome(3, "mutation of 2", 0.8),
    ]
    chain = trace_origin(run_of(rows), {"conv": 3})
    assert [step.number for step in chain] == [3, 2, 1]
    assert chain[-1].origin == "random at 0.25"


def test_a_chain_ends_even_if_origins_are_nonsense():
    rows = [
        outcome(number, f"mutation of {number}" if number == 5 else f"from {number - 1}", 0.5) for number in range(40)
    ]
    assert [step.number for step in trace_origin(run_of(rows), {"conv": 5})] == [5]
    assert len(trace_origin(run_of(rows), {"conv": 39})) == LONGEST


def test_widths_that_were_never_scored_have_no_chain():
    assert trace_origin(run_of([outcome(0, "random", 0.5)]), {"conv": 9}) == []


def test_the_teacher_is_named_with_how_it_was_asked_and_why():
    made = {"mode": "cached", "reason": "it is dear"}
    about = {"name": "bars", "sha256": "0" * 64, "views": 1, "asked": {"strategy": made, "finish": made}}
    assert say_teacher(run_of(teacher=about)) == "bars, cached (it is dear)"
    assert say_teacher(run_of(teacher=about | {"asked": {}})) == "bars, not asked"
    assert say_teacher(run_of()) == "none"


def test_what_a_training_asked_a_teacher_whose_questions_count_is_said(summary, outcomes):
    summary["teacher"] = {"name": "net.onnx", "sha256": "0" * 64, "views": 8, "asked": {}}
    summary["students"][0]["history"] = [{"epoch": 1, "queries": 6000.0}, {"epoch": 2, "queries": 19712.0}]
    name = summary["students"][0]["id"]
    assert say_teacher(read_run(summary, outcomes)) == f"net.onnx, about 19,712 images for {name}"


def test_the_better_parent_is_the_one_with_the_better_score():
    def scored(number, origin, accuracy, score):
        metrics = {"accuracy": accuracy, "score": score}
        return Outcome(number, Candidate.of({"conv": number}, origin), "done", metrics)

    rows = [scored(0, "x", 0.9, -2.0), scored(1, "y", 0.5, -1.0), scored(2, "crossover of 0 and 1", 0.7, -0.9)]
    chain = trace_origin(run_of(rows), {"conv": 2})
    assert [(step.number, step.outcome.figure, step.outcome.metrics.get("score")) for step in chain] == [
        (2, 0.7, -0.9),
        (1, 0.5, -1.0),
    ]
