"""Any of Optuna's samplers as a searcher."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from kdsearch.candidates.space import (
    Candidate,
    Choice,
    Costs,
    Measure,
    Real,
    Rng,
    SearchSpace,
    Value,
    Windows,
    is_ordered,
)
from kdsearch.costs import CLOSED_FORMS
from kdsearch.errors import SpecError
from kdsearch.records import Outcome
from kdsearch.searchers.base import Searcher
from kdsearch.spec.sections import Section

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial, Trial, TrialState

# Samplers that look at finished trials only; all others keep notes with the trials that they proposed.
_WITHOUT_NOTES = ("TPESampler", "RandomSampler", "GPSampler", "BruteForceSampler")


class OptunaSearch(Searcher):
    """Asks one of Optuna's samplers, by a study in memory for each budget.

    What it suggests is repaired into the budget's windows, and it is told what was tried in place of what it suggested.
    Its random numbers come from the study's seed and the trial's number, and a search that goes on asks it again for
    the trials that were kept, so that it ends as if it had not stopped.
    """

    class Options(Section):
        """``sampler``: as Optuna names it. ``costs``: minimised beside accuracy, such as macs, for a whole front."""

        sampler: Literal[
            "TPESampler",
            "NSGAIISampler",
            "NSGAIIISampler",
            "CmaEsSampler",
            "GPSampler",
            "QMCSampler",
            "RandomSampler",
            "BruteForceSampler",
        ] = "TPESampler"
        costs: tuple[Literal[CLOSED_FORMS], ...] = ()  # type: ignore[valid-type]

    options: Options

    def __init__(  # noqa: PLR0913 - what a search is about, all of it by name
        self,
        options: Section,
        space: SearchSpace,
        seed: int,
        *,
        measure: Measure,
        budgets: tuple[Windows, ...] = ((),),
        seeds: tuple[Candidate, ...] = (),
        inside: tuple[Candidate, ...] = (),
    ) -> None:
        import optuna

        super().__init__(options, space, seed, measure=measure, budgets=budgets, seeds=seeds, inside=inside)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._sampler(0)  # a sampler that lacks a package says so here, before anything runs
        directions: list[Literal["maximize", "minimize"]] = ["maximize"]
        directions += ["minimize"] * len(self.options.costs)
        self._studies = [optuna.create_study(directions=directions) for _ in budgets]
        self._distributions = {parameter.name: _distribution(parameter) for parameter in space.parameters}
        self._asked: dict[int, Trial] = {}

    def _propose(self, number: int, rng: Rng, attempt: int) -> Candidate:
        if attempt > 0:
            return self.space.mutate(self._suggest(number), rng, 1 / len(self.space.parameters), "optuna, mutated")
        return self._suggest(number)

    def _settle(self, number: int, candidate: Candidate) -> None:
        """Writes what is tried in place of what was suggested."""
        if number not in self._asked:
            return
        trial, study = self._asked[number], self._study(number)
        for name, value in _encode(self.space, candidate).items():
            distribution = self._distributions[name]
            study._storage.set_trial_param(trial._trial_id, name, distribution.to_internal_repr(value), distribution)

    def _learn(self, outcome: Outcome) -> None:
        study = self._study(outcome.number)
        values = self._values(outcome)
        if outcome.number not in self._asked and self.options.sampler in _WITHOUT_NOTES:
            study.add_trial(self._finished(outcome, values))
            return
        if outcome.number not in self._asked:
            self._suggest(outcome.number)
            self._settle(outcome.number, outcome.candidate)
        self._tell(study, self._asked.pop(outcome.number), outcome, values)

    def _tell(self, study: optuna.Study, trial: Trial, outcome: Outcome, values: list[float] | None) -> None:
        state = self._state(outcome, values)
        if state.name != "PRUNED":
            study.tell(trial, values, state=state)
            return
        for epoch, value in enumerate(outcome.curve, start=1):
            trial.report(value, epoch)
        study.tell(trial, state=state)

    def _finished(self, outcome: Outcome, values: list[float] | None) -> FrozenTrial:
        from optuna.trial import create_trial

        state = self._state(outcome, values)
        pruned = state.name == "PRUNED"
        return create_trial(
            state=state,
            values=outcome.curve[-1:] if pruned else values,
            intermediate_values=dict(enumerate(outcome.curve, start=1)) if pruned else None,
            params=_encode(self.space, outcome.candidate),
            distributions=self._distributions,
        )

    def _state(self, outcome: Outcome, values: list[float] | None) -> TrialState:
        """Pruned where a training was given up: what it had reached by then is no final value."""
        from optuna.trial import TrialState

        if values is None:
            return TrialState.FAIL
        given_up = outcome.metrics.get("pruned") and outcome.curve and not self.options.costs
        return TrialState.PRUNED if given_up else TrialState.COMPLETE

    def _suggest(self, number: int) -> Candidate:
        """What the sampler suggests for a trial; asked once."""
        if number not in self._asked:
            study = self._study(number)
            study.sampler = self._sampler(number)
            self._asked[number] = study.ask(self._distributions)
        return _decode(self.space, self._asked[number].params)

    def _study(self, number: int) -> optuna.Study:
        return self._studies[self.budget(number)]

    def _values(self, outcome: Outcome) -> list[float] | None:
        """What the study is told, merit first; None for a failure."""
        costs = self._costs(outcome.costs)
        return None if outcome.merit == -math.inf else [outcome.merit, *costs]

    def _costs(self, costs: Costs) -> list[float]:
        return [costs[name] for name in self.options.costs] if costs else []  # a failed trial may have none

    def _sampler(self, number: int) -> BaseSampler:
        import numpy as np
        import optuna

        kind = getattr(optuna.samplers, self.options.sampler)
        seed = int(np.random.SeedSequence((self.seed, number)).generate_state(1)[0])
        with warnings.catch_warnings():
            # NSGAIIISampler calls itself experimental each time it is made
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            try:
                return kind(seed=seed)
            except ImportError as error:
                raise SpecError(f"search.sampler: {self.options.sampler} needs a package: {error}") from error


def _distribution(parameter: Choice | Real) -> BaseDistribution:
    """Ranks for numbers, so that a sampler sees their order; categories for words."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(parameter, Real):
        return FloatDistribution(parameter.low, parameter.high, log=parameter.log)
    if is_ordered(parameter):
        return IntDistribution(0, len(parameter.values) - 1)
    return CategoricalDistribution(parameter.values)


def _encode(space: SearchSpace, candidate: Candidate) -> dict[str, Any]:
    values = zip(space.parameters, candidate.pairs, strict=True)
    return {name: _rank(parameter, value) for parameter, (name, value) in values}


def _rank(parameter: Choice | Real, value: Value) -> Value:
    if is_ordered(parameter):
        return parameter.values.index(value)
    return value


def _decode(space: SearchSpace, params: Mapping[str, Any]) -> Candidate:
    pairs = []
    for parameter in space.parameters:
        value = params[parameter.name]
        if is_ordered(parameter):
            value = parameter.values[value]
        pairs.append((parameter.name, value))
    return Candidate(tuple(pairs), "optuna")
