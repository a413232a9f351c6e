# ruff: noqa: ARG002
"""A search whose candidates are not trained: each reports the figures that a test wrote down for its number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from kdsearch.candidates.space import Window
from kdsearch.executors.serial import Serial
from kdsearch.progress import unwatched
from kdsearch.records import Outcome, RunPaths
from kdsearch.rundir.ledger import Ledger
from kdsearch.spec.strategy_options import TrainingOptions
from kdsearch.spec.study_spec import load_spec
from kdsearch.strategies.base import Strategy, Trained
from kdsearch.study.control import uniform_gene
from kdsearch.study.planning import Study
from kdsearch.study.searching import search
from kdsearch.study.trial import use
from tests.toys import toy_study

Curve = Sequence[float]
EAGER = {
    "median": "startup_trials: 1, warmup_epochs: 0",
    "percentile": "startup_trials: 1, warmup_epochs: 0",
    "threshold": "lower: 0.4",
    "successive_halving": "reduction_factor: 2",
    "hyperband": "reduction_factor: 2",
    "patient": "patience: 0",
    "wilcoxon": "p_threshold: 0.3",
    "nop": "",
}
"""Options with which a pruner acts within eight epochs and a few trials."""


class Curves(Strategy):
    """Reports the curve that stands at the trial's number, and learns nothing."""

    class Options(TrainingOptions):
        """The recipe, of which only the epochs matter."""

    def __init__(self, curves: Sequence[Curve]) -> None:
        super().__init__(self.Options(epochs=len(curves[0])))
        self._curves = curves
        self.reports: dict[int, int] = {}

    def score(self, ctx, trial, report=None):
        value = float(self._curves[trial.number][-1])
        if report is not None:
            for epoch, value in enumerate(map(float, self._curves[trial.number]), start=1):
                self.reports[trial.number] = epoch
                if report(epoch, value):
                    break
        return {"accuracy": value}

    def train(self, ctx, candidate, *, seed, checkpoint=None, watch=unwatched, report=None):
        return Trained(ctx.widths.build(candidate), ())


@cache
def _toy(budgets: int) -> Study:
    """A study of the toy net with so many budgets, which nothing trains: one serves all tests."""
    study = toy_study(Path("nowhere"), "strategy={name: scratch}")
    widths = study.ctx.widths
    full = widths.costs(widths.full)["macs"]
    windows = tuple((Window("macs", 0.5 * share * full, share * full),) for share in (0.5, 0.35, 0.6)[:budgets])
    uniform = tuple(uniform_gene(widths, each) for each in windows)
    return replace(study, ctx=replace(study.ctx, budgets=windows, uniform=uniform))


def curve_study(folder: Path, pruner: str, curves: Sequence[Curve], *, budgets: int = 1) -> Study:
    """A study of the curves under ``pruner`` (as in YAML), whose trials are dealt out to so many budgets."""
    folder.mkdir(exist_ok=True)
    sets = ("strategy={name: scratch}", "finish={name: scratch}", "search={name: random}")
    spec = load_spec("quickstart", (*sets, f"budget={{trials: {len(curves)}}}", f"pruner={{{pruner}}}"))
    toy = _toy(budgets)
    return replace(toy, spec=spec, ctx=replace(toy.ctx, paths=RunPaths(folder)), strategy=Curves(curves))


def search_curves(study: Study) -> list[Outcome]:
    """What the ledger holds once the search has been driven to its end; it goes on with what is there."""
    executor = Serial(Serial.Options())
    executor.start(use, (study,))
    with open_ledger(study) as ledger:
        search(study, ledger, executor, unwatched, seconds_before=0.0)
        found = ledger.outcomes()
    assert all(each.state == "done" for each in found), found
    return found


def open_ledger(study: Study) -> Ledger:
    objectives = ("accuracy", "macs") if len(study.ctx.budgets) > 1 else ("accuracy",)  # as a run has them
    return Ledger(study.ctx.paths, "journal", "toy", study.ctx.space.parameters, objectives=objectives)


def stopped_after(folder: Path, pruner: str, *curves: Curve) -> list[int | None]:
    """After which epoch each trial's training was stopped; None of those that ran to their end."""
    found = search_curves(curve_study(folder, pruner, curves))
    for each, curve in zip(found, curves, strict=True):
        assert each.curve == tuple(curve[: len(each.curve)])  # it heard what was reported, to where it stopped
        assert each.figure == each.curve[-1]
    return [len(each.curve) if each.partial else None for each in found]
