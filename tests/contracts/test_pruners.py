"""What every pruner must do, whatever its rule."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from kdsearch import registry
from kdsearch.candidates.space import Candidate
from kdsearch.records import Outcome, Reported
from kdsearch.spec.metric import ACCURACY, Metric
from kdsearch.spec.yaml import read_yaml
from kdsearch.study.pruning import Pruning
from tests.curves import EAGER

PACKAGE = "kdsearch.pruners"
EPOCHS = 8  # those in which EAGER acts
LOSS = Metric("loss", better="lower")
pytestmark = [pytest.mark.timeout(30), pytest.mark.parametrize("name", registry.available(PACKAGE))]


def eager(name: str) -> dict[str, Any]:
    return read_yaml(f"{{{EAGER[name]}}}", name, numbered=False).data


def make_pruning(name: str, metric: Metric = ACCURACY, budgets: int = 1, **options) -> Pruning:
    kind = registry.find(PACKAGE, name)
    pruner = kind(kind.Options.model_validate(eager(name) | options))
    return Pruning(pruner, metric, epochs=EPOCHS, budgets=budgets)


def run(pruning: Pruning, number: int, figures, metric: Metric = ACCURACY) -> Outcome:
    """What becomes of a trial whose training would give these figures."""
    curve, stopped = [], False
    for epoch, value in enumerate(map(float, figures), start=1):
        curve.append(value)
        if stopped := pruning.hear(Reported(number, epoch, value)):
            break
    metrics = {metric.name: curve[-1], "pruned": float(stopped)}
    outcome = Outcome(number, Candidate.of({}), "done", metrics, curve=tuple(curve), metric=metric)
    pruning.tell(outcome)
    return outcome


def random_curves(count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.clip(rng.random((count, 1)) + 0.1 * rng.standard_normal((count, EPOCHS)), 0, 1)


def test_every_pruner_is_tried(name):
    assert EAGER.keys() == set(registry.available(PACKAGE))
    assert name in EAGER


def test_it_stops_a_trial_that_falls_behind_and_not_the_best(name):
    pruning = make_pruning(name)
    good, bad = np.linspace(0.5, 0.8, EPOCHS), np.linspace(0.3, 0.1, EPOCHS)
    firsts = [run(pruning, number, good) for number in range(4)]
    behind = [run(pruning, number, bad - number / 100).partial for number in range(4, 10)]
    assert len(firsts[0].curve) == EPOCHS
    assert any(behind) == (name != "nop")
    ahead = run(pruning, 10, good + 0.1)
    assert (len(ahead.curve), ahead.partial) == (EPOCHS, False)


def test_the_last_epoch_stops_nothing(name):
    pruning = make_pruning(name)
    run(pruning, 0, np.linspace(0.5, 0.8, EPOCHS))
    assert not pruning.hear(Reported(1, EPOCHS, 0.0))


def test_none_is_stopped_before_the_epoch_that_it_names(name):
    kind = registry.find(PACKAGE, name)
    first = kind(kind.Options.model_validate(eager(name))).first_epoch(EPOCHS)
    lengths = [len(each.curve) for each in _whole(make_pruning(name), random_curves(24))]
    assert min(lengths) >= (EPOCHS if first is None else first)


@pytest.mark.parametrize("budgets", [1, 2])
def test_a_search_that_goes_on_decides_as_one_that_never_stopped(name, budgets):
    curves = random_curves(24)
    whole = _whole(make_pruning(name, budgets=budgets), curves)
    assert any(each.partial for each in whole) == (name != "nop")
    for cut in (1, 7, 16):
        again = make_pruning(name, budgets=budgets)
        for outcome in whole[:cut]:
            again.tell(outcome)
        assert whole[cut:] == [run(again, number, curves[number]) for number in range(cut, len(curves))]


def test_lower_is_better_where_the_metric_says_so(name):
    curves = random_curves(24)
    flipped = {"lower": None, "upper": 0.6} if name == "threshold" else {}
    lengths = [
        [len(run(made, number, figures, metric).curve) for number, figures in enumerate(shown)]
        for made, metric, shown in (
            (make_pruning(name), ACCURACY, curves),
            (make_pruning(name, LOSS, **flipped), LOSS, 1 - curves),
        )
    ]
    assert lengths[0] == lengths[1]


def test_an_item_that_is_tried_again_is_answered_alike(name):
    pruning = make_pruning(name)
    run(pruning, 0, np.linspace(0.5, 0.8, EPOCHS))
    asked = [Reported(1, epoch, 0.3 - epoch / 100) for epoch in range(1, EPOCHS + 1)]
    assert [pruning.hear(each) for each in asked] == [pruning.hear(each) for each in asked]
    assert pruning.curve(1) == tuple(each.value for each in asked)


def test_a_failed_trial_is_told_with_what_was_heard_of_it(name):
    """Its figures count for some pruners, and must count again in a search that goes on."""
    curves = random_curves(12)
    failed = Outcome(1, Candidate.of({}), "failed", curve=(0.9, 0.9))

    def start() -> Pruning:
        made = make_pruning(name)
        run(made, 0, curves[0])
        return made

    heard = start()
    for epoch, value in enumerate(failed.curve, start=1):
        heard.hear(Reported(1, epoch, value))
    told = start()
    for made in (heard, told):
        made.tell(failed)
    rest = range(2, len(curves))
    assert [run(heard, at, curves[at]) for at in rest] == [run(told, at, curves[at]) for at in rest]


def test_its_options_are_read_without_optuna_and_torch(name):
    program = f"""
import sys
from kdsearch import registry
registry.find("{PACKAGE}", "{name}").Options.model_validate({eager(name)!r})
assert not {{"optuna", "torch"}} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def _whole(pruning: Pruning, curves: np.ndarray) -> list[Outcome]:
    return [run(pruning, number, figures) for number, figures in enumerate(curves)]
