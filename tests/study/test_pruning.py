"""Trainings of candidates that a pruner stops, from their figures to the ledger and the winner."""

from __future__ import annotations

from pathlib import Path

import pytest
from optuna.trial import TrialState

from kdsearch.executors.process import Process
from kdsearch.executors.serial import Serial
from kdsearch.progress import unwatched
from kdsearch.records import Outcome, pareto_front
from kdsearch.rundir.ledger import Ledger
from kdsearch.study.finalists import choose_winners
from kdsearch.study.planning import Study
from kdsearch.study.searching import search
from kdsearch.study.trial import use
from tests.toys import toy_study

pytestmark = pytest.mark.timeout(60)  # the first trace of a process takes seconds
SHORT = "epochs: 4, batch_size: 24, augment: {flip: false}"
STRATEGIES = {"scratch": f"strategy={{name: scratch, {SHORT}}}", "kd": f"strategy={{name: kd, {SHORT}}}"}
COMMON = ("search={name: random}", "finish={name: scratch, epochs: 1, batch_size: 24}")
HALVING = "pruner={name: successive_halving, reduction_factor: 2}"
PRUNERS = {
    "median": "pruner={name: median, startup_trials: 1}",
    "percentile": "pruner={name: percentile, startup_trials: 1, percentile: 10}",
    "hyperband": "pruner={name: hyperband, reduction_factor: 2}",
    "successive_halving": HALVING,
    "patient": "pruner={name: patient, patience: 0}",
    "threshold": "pruner={name: threshold, lower: 0.99}",
    "wilcoxon": "pruner={name: wilcoxon, p_threshold: 0.5}",
    "nop": "pruner={name: nop}",
}


def make_study(folder: Path, strategy: str, pruner: str, trials: int = 5) -> Study:
    folder.mkdir(exist_ok=True)
    taught = ("teacher={card: teachers/resnet20_mnist5k.yaml}",) if strategy == "kd" else ()
    study = toy_study(folder, STRATEGIES[strategy], *COMMON, *taught, pruner, f"budget={{trials: {trials}}}")
    study.strategy.prepare(study.ctx)
    return study


def run(study: Study, executor=None) -> list[tuple]:
    """What the ledger holds after a search, seconds left out."""
    if executor is None:
        executor = Serial(Serial.Options())
        executor.start(use, (study,))
    with Ledger(study.ctx.paths, "journal", "toy", study.ctx.space.parameters) as ledger:
        search(study, ledger, executor, unwatched, seconds_before=0.0)
    executor.shutdown()
    return [(each.number, each.candidate, each.state, each.metrics, each.curve) for each in outcomes(study)]


def outcomes(study: Study) -> list[Outcome]:
    with Ledger(study.ctx.paths, "journal", "toy", study.ctx.space.parameters) as ledger:
        found = ledger.outcomes()
    assert all(each.state == "done" for each in found), found
    return found


@pytest.mark.parametrize("pruner", PRUNERS)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_pruner_hears_every_strategy_that_trains_its_candidates(tmp_path, strategy, pruner):
    study = make_study(tmp_path, strategy, PRUNERS[pruner])
    run(study)
    found = outcomes(study)
    assert len(found) == 5
    for each in found:
        assert each.metrics["pruned"] == (len(each.curve) < 4)
        assert each.curve[-1] == each.figure
    if pruner in ("nop", "successive_halving"):  # of the others it depends on what the five draws reach
        assert any(each.partial for each in found) == (pruner != "nop")


def test_a_stopped_trial_is_pruned_in_the_ledger_and_never_wins(tmp_path):
    study = make_study(tmp_path, "scratch", HALVING)
    run(study)
    found = outcomes(study)
    with Ledger(study.ctx.paths, "journal", "toy", study.ctx.space.parameters) as ledger:
        trials = ledger._study.get_trials()
    states = {trial.user_attrs["number"]: trial.state for trial in trials}
    for each, trial in zip(found, trials, strict=True):
        assert states[each.number] == (TrialState.PRUNED if each.partial else TrialState.COMPLETE)
        assert trial.intermediate_values == dict(enumerate(each.curve, start=1))
    assert set(states.values()) == {TrialState.PRUNED, TrialState.COMPLETE}
    stopped = {each.candidate for each in found if each.partial}
    winners, _ = choose_winners(study, found, lambda *_: None)
    assert not stopped & {*winners, *(each.candidate for each in pareto_front(found))}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_search_that_was_cut_off_goes_on_as_one_that_was_not(tmp_path, strategy):
    """Successive halving compares with all that came before, stopped trials included."""
    whole = run(make_study(tmp_path / "whole", strategy, HALVING, trials=7))
    assert 0 < sum(metrics["pruned"] for *_, metrics, _ in whole) < 7
    first = run(make_study(tmp_path / "cut", strategy, HALVING, trials=3))
    assert first == whole[:3]
    assert run(make_study(tmp_path / "cut", strategy, HALVING, trials=7)) == whole


def start_toy(folder: Path, strategy: str, pruner: str, trials: int) -> None:
    use(make_study(folder, strategy, pruner, trials))


@pytest.mark.medium
def test_workers_are_answered_as_the_driver_itself_is(tmp_path):
    """With one worker trials come in the same order."""
    told = ("scratch", HALVING, 6)
    executor = Process(Process.Options(workers=1, threads=1))
    executor.start(start_toy, (tmp_path / "worker", *told))
    assert run(make_study(tmp_path / "process", *told), executor) == run(make_study(tmp_path / "serial", *told))
