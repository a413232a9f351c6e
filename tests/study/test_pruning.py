"""Trainings of candidates that a pruner stops, from their figures to the ledger and the winner."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from optuna.trial import TrialState

from kdsearch import registry
from kdsearch.executors.process import Process
from kdsearch.progress import unwatched
from kdsearch.records import Outcome, pareto_front
from kdsearch.study.finalists import choose_winners
from kdsearch.study.planning import Study
from kdsearch.study.searching import search
from kdsearch.study.trial import use
from tests.curves import EAGER, curve_study, open_ledger, search_curves
from tests.toys import toy_study

pytestmark = [pytest.mark.timeout(60), pytest.mark.usefixtures("one_thread")]  # the first trace takes seconds
HALVING = "name: successive_halving, reduction_factor: 2"


def draw_curves(count: int) -> list[list[float]]:
    """Of eight epochs; some rise and some fall."""
    rng = np.random.default_rng(0)
    return np.clip(rng.random((18, 1)) + 0.1 * rng.standard_normal((18, 8)), 0, 1).tolist()[:count]


def eager(folder: Path, pruner: str, count: int = 18, budgets: int = 1) -> Study:
    rule = ", ".join(filter(None, (f"name: {pruner}", EAGER[pruner])))
    return curve_study(folder, rule, draw_curves(count), budgets=budgets)


def untimed(found: list[Outcome]) -> list[tuple]:
    return [(each.number, each.candidate, each.metrics, each.curve) for each in found]


@pytest.mark.parametrize("budgets", [1, 2, 3])
@pytest.mark.parametrize("pruner", registry.available("kdsearch.pruners"))
def test_what_a_pruner_stops_is_pruned_in_the_storage_of_optuna_for_every_budget(tmp_path, pruner, budgets):
    study = eager(tmp_path, pruner, budgets=budgets)
    found = search_curves(study)
    with open_ledger(study) as ledger:
        states = {trial.user_attrs["number"]: trial.state for trial in ledger._study.get_trials()}
        shown = {trial.user_attrs["number"] for trial in ledger._study.best_trials}
    stopped = {each.number for each in found if each.partial}
    assert {number for number, state in states.items() if state is TrialState.PRUNED} == stopped
    assert {number for number, state in states.items() if state is TrialState.COMPLETE} == states.keys() - stopped
    assert not shown & stopped
    per_budget = Counter(number % budgets for number in stopped)
    assert set(per_budget) == (set() if pruner == "nop" else set(range(budgets)))
    assert all(len(each.curve) < 8 for each in found if each.partial)
    assert all(len(each.curve) in (0, 8) for each in found if not each.partial)


@pytest.mark.parametrize("pruner", registry.available("kdsearch.pruners"))
def test_a_search_that_was_cut_off_goes_on_as_one_that_was_not(tmp_path, pruner):
    """Two budgets; some pruners compare with all that came before, stopped trials included."""
    whole = untimed(search_curves(eager(tmp_path / "whole", pruner, 14, budgets=2)))
    for cut in (5, 9):
        first = search_curves(eager(tmp_path / "cut", pruner, cut, budgets=2))
        assert untimed(first) == whole[:cut]
    assert untimed(search_curves(eager(tmp_path / "cut", pruner, 14, budgets=2))) == whole


def test_each_budget_is_judged_among_its_own_trials(tmp_path):
    """The curves of the second budget are all below those of the first, which is no reason to stop them."""
    high, low = [0.9] * 4, [0.2] * 4
    rule = "name: median, startup_trials: 1, warmup_epochs: 0"
    both = curve_study(tmp_path, rule, [high, low, high, low, [0.8] * 4, [0.1] * 4], budgets=2)
    assert [each.partial for each in search_curves(both)] == [False] * 4 + [True] * 2


@pytest.mark.parametrize("budgets", [1, 2])
def test_a_stopped_trial_never_wins(tmp_path, budgets):
    study = eager(tmp_path, "successive_halving", budgets=budgets)
    found = search_curves(study)
    stopped = {each.candidate for each in found if each.partial}
    assert stopped
    winners, _ = choose_winners(study, found, lambda *_: None)
    assert not stopped & {*winners, *(each.candidate for each in pareto_front(found))}


BOUND = "name: threshold, warmup_epochs: 0"
SHORT = "epochs: 2, batch_size: 24, augment: {flip: false}"


def trained_study(folder: Path, strategy: str, pruner: str, trials: int = 3) -> Study:
    """A study that trains its candidates, taught where the strategy asks a teacher."""
    folder.mkdir(exist_ok=True)
    taught = ("teacher={card: teachers/resnet20_mnist5k.yaml}",) if strategy == "kd" else ()
    sets = (f"strategy={{name: {strategy}, {SHORT}}}", "search={name: random}", *taught, f"budget={{trials: {trials}}}")
    study = toy_study(folder, *sets, f"pruner={{{pruner}}}")
    study.strategy.prepare(study.ctx)
    return study


class _Counting:
    """The task, counting how often it evaluates a net."""

    def __init__(self, study: Study) -> None:
        self._task, self.passes = study.ctx.task, 0

    def __getattr__(self, name: str):
        if name == "evaluate":
            self.passes += 1
        return getattr(self._task, name)


@pytest.mark.parametrize("strategy", ["scratch", "kd"])
@pytest.mark.parametrize(
    ("pruner", "passes", "pruned"),
    [(f"{BOUND}, lower: 0.999", 1, 1.0), (f"{BOUND}, lower: 0.0", 2, 0.0), ("name: nop", 1, None)],
)
def test_a_training_is_validated_once_an_epoch_for_the_pruner_and_without_one_only_for_its_score(
    tmp_path, strategy, pruner, passes, pruned
):
    study = trained_study(tmp_path, strategy, pruner, trials=1)
    counting = _Counting(study)
    (found,) = search_curves(replace(study, ctx=replace(study.ctx, task=counting)))
    assert counting.passes == passes
    assert found.metrics.get("pruned") == pruned
    assert len(found.curve) == (0 if pruned is None else passes)


def start_toy(folder: Path, pruner: str) -> None:
    use(trained_study(folder, "scratch", pruner))


@pytest.mark.medium
def test_workers_are_answered_as_the_driver_itself_is(tmp_path):
    """With one worker trials come in the same order."""
    study = trained_study(tmp_path / "process", "scratch", HALVING)
    executor = Process(Process.Options(workers=1, threads=1))
    executor.start(start_toy, (tmp_path / "worker", HALVING))
    with open_ledger(study) as ledger:
        search(study, ledger, executor, unwatched, seconds_before=0.0)
        found = untimed(ledger.outcomes())
    executor.shutdown()
    assert found == untimed(search_curves(trained_study(tmp_path / "serial", "scratch", HALVING)))
