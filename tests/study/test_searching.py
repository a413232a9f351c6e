"""The loop of a search: out of time, out of luck, and gone on with where it cannot be."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from kdsearch.cli.runs import describe_progress
from kdsearch.errors import KdsearchError, StoreError
from kdsearch.records import Outcome, RunPaths, Trial
from kdsearch.report.console import print_summary
from kdsearch.rundir.ledger import Ledger
from kdsearch.rundir.runlog import read_failure
from kdsearch.rundir.store import create_run
from kdsearch.spec.study_spec import loads
from kdsearch.strategies.metapruning import MetaPruning
from kdsearch.study.planning import plan
from kdsearch.study.run import _drive, resume_study, run_study
from tests.tiny import outcomes_of, tiny_spec

pytestmark = [pytest.mark.medium, pytest.mark.timeout(120), pytest.mark.usefixtures("one_thread")]
FEW = ("finish={name: scratch, epochs: 1, batch_size: 50, controls: {uniform: false, full: false}}",)


def test_out_of_minutes_still_gives_students(tmp_path, caplog):
    sets = (*FEW, "budget={trials: 100000, minutes: 0.005}")
    summary = run_study(tiny_spec(*sets), tmp_path / "run")
    assert summary["state"] == "stopped"
    assert summary["stopped"].startswith("budget.minutes (0.005) were used up after ")
    assert [student["role"] for student in summary["students"]] == ["winner"]
    with caplog.at_level(logging.WARNING):
        assert resume_study(tmp_path / "run")["state"] == "stopped"
    assert "is stopped already" in caplog.text


class Brittle(MetaPruning):
    """Fails on every second trial."""

    def score(self, ctx, trial: Trial, report=None) -> dict[str, float]:
        if trial.number > 0 and trial.number % 2:
            raise ZeroDivisionError("this net cannot be scored")
        return super().score(ctx, trial, report)


def test_failed_candidates_end_a_search_when_they_are_too_many(tmp_path):
    def brittle(paths: RunPaths):
        study = plan(loads((paths.root / "spec.json").read_text()), paths)
        return replace(study, strategy=Brittle(study.strategy.options))

    paths = create_run(tiny_spec(*FEW), tmp_path / "run")
    wanted = r"3 candidates failed \(budget.max_failures is 2\); the last: ZeroDivisionError: this net cannot be scored"
    told: list = []
    with pytest.raises(KdsearchError, match=wanted):
        _drive(brittle(paths), told.append)
    broken = [each for each in told if each.note == "failed: ZeroDivisionError: this net cannot be scored"]
    assert len(broken) == 3
    assert not any("accuracy" in each.values for each in broken)
    assert [outcome[2] for outcome in outcomes_of(paths.root)] == ["done", "failed"] * 3
    assert read_failure(paths).startswith("3 candidates failed")
    summary = _drive(brittle(paths), lambda _: None)  # as after mending the cause: these failures are not counted again
    assert summary["trials"] == {"done": 5, "failed": 5, "cached": 6}
    assert read_failure(paths) == ""
    scores = {outcome[1]: outcome[3].get("score", -100) for outcome in outcomes_of(paths.root)}
    winner = summary["students"][0]["candidate"]
    assert max(scores.values()) == next(score for gene, score in scores.items() if gene.values == winner)


def test_a_run_whose_trials_have_no_scores_is_not_gone_on_with(tmp_path):
    """As an older version left it: its accuracies would outrank every likelihood."""
    paths = create_run(tiny_spec(*FEW), tmp_path / "run")
    study = plan(loads((paths.root / "spec.json").read_text()), paths)
    with Ledger(paths, "journal", study.spec.name, study.ctx.space.parameters) as ledger:
        metrics = {"accuracy": 0.5}
        ledger.append(Outcome(0, study.ctx.uniform[0], "done", metrics, study.ctx.widths.costs(study.ctx.uniform[0])))
    with pytest.raises(StoreError, match=r"scored by an older kdsearch and cannot be compared .*spec\.yaml anew"):
        _drive(study, lambda _: None)


def test_a_search_that_ran_out_of_candidates_is_done_and_says_so_wherever_it_is_looked_at(tmp_path, capsys):
    sets = (*FEW, "student={net: resnet8, width: 0.25, divisor: 8}", "limits.macs=90%", "budget.trials=50")
    summary = run_study(tiny_spec(*sets), tmp_path / "run")
    count = summary["trials"]["done"]
    assert count < 50
    assert (summary["state"], summary["stopped"]) == ("done", "")
    said = (
        f"{count} candidate{'s' if count > 1 else ''} tried, and no other found inside the limits; widen limits.window"
    )
    assert summary["exhausted"].startswith(said)
    assert describe_progress(tmp_path / "run")["exhausted"] == summary["exhausted"]
    print_summary(summary)
    assert f"The search ended early: {said}" in capsys.readouterr().out
    assert said in (tmp_path / "run/report.html").read_text()
