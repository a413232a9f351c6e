from __future__ import annotations

from typing import get_args

import numpy as np
import optuna
import pytest
from pydantic import ValidationError

from kdsearch.candidates.space import Choice, SearchSpace, Window
from kdsearch.records import Outcome, pareto_front
from kdsearch.searchers.optuna import OptunaSearch
from tests.widths_like import chain

SPACE, MEASURE = chain(6)
WINDOWS = ((Window("macs", 4_000, 5_000),),)
SAMPLERS = get_args(OptunaSearch.Options.model_fields["sampler"].annotation)


def _search(sampler, *, budgets=WINDOWS, costs=(), seed=0):
    options = OptunaSearch.Options(sampler=sampler, costs=costs)
    return OptunaSearch(options, SPACE, seed, budgets=budgets, measure=MEASURE)


def _outcome(number, candidate):
    worth = sum(value * (place % 2) for place, (_, value) in enumerate(candidate.pairs)) / 200
    return Outcome(number, candidate, "failed" if number % 13 == 9 else "done", {"accuracy": worth}, MEASURE(candidate))


def _run(searcher, numbers):
    outcomes = []
    for number in numbers:
        outcomes.append(_outcome(number, searcher.ask(number)))
        searcher.tell(outcomes[-1])
    return outcomes


def test_every_sampler_of_optuna_that_needs_nothing_else_can_be_named():
    needs_more = {"GridSampler", "PartialFixedSampler", "BaseSampler", "BaseGASampler"}
    assert set(SAMPLERS) == {name for name in optuna.samplers.__all__ if name.endswith("Sampler")} - needs_more


# GPSampler imports torch, which takes longer than a test may
@pytest.mark.parametrize("sampler", sorted(set(SAMPLERS) - {"GPSampler"}))
def test_each_sampler_resumes_as_if_it_had_not_stopped(sampler):
    whole = _run(_search(sampler), range(80))
    assert all(WINDOWS[0][0].miss(outcome.costs) == 0 for outcome in whole)
    assert len({outcome.candidate for outcome in whole}) == 80
    assert sum(outcome.candidate.origin == "optuna" for outcome in whole) > 20
    resumed = _search(sampler)
    for outcome in whole[:60]:
        resumed.tell(outcome)
    assert _run(resumed, range(60, 80)) == whole[60:]


@pytest.mark.medium
@pytest.mark.timeout(120)
def test_the_gaussian_process_sampler_works_too():
    assert len({outcome.candidate for outcome in _run(_search("GPSampler"), range(14))}) == 14


@pytest.mark.parametrize("sampler", ["TPESampler", "CmaEsSampler", "NSGAIISampler"])
def test_it_learns_which_layers_matter(sampler):
    outcomes = _run(_search(sampler), range(150))
    done = [outcome.metrics["accuracy"] for outcome in outcomes if outcome.state == "done"]
    late = done[-30:]
    assert sum(late) / len(late) > sum(done[:30]) / 30


def test_the_sampler_is_told_what_was_tried_not_what_it_suggested():
    searcher = _search("NSGAIISampler")
    outcomes = _run(searcher, range(10))
    told = [trial.params for trial in searcher._studies[0].trials]
    for outcome, params in zip(outcomes, told, strict=True):
        assert [8 * (params[name] + 1) for name in SPACE.names] == [value for _, value in outcome.candidate.pairs]


def test_with_costs_a_front_is_searched():
    searcher = _search("NSGAIISampler", budgets=((),), costs=("macs",))
    front = pareto_front(_run(searcher, range(60)))
    assert len(front) > 3
    assert len(searcher._studies[0].directions) == 2


def test_an_unknown_cost_is_refused_when_the_study_is_read():
    with pytest.raises(ValidationError, match="'macs', 'parameters' or 'size_bytes'"):
        OptunaSearch.Options(costs=("mac",))


def test_words_are_categories_and_numbers_keep_their_order():
    space = SearchSpace((Choice("loss", ("kl", "l2")), Choice("width", (8, 12, 64))))
    searcher = OptunaSearch(OptunaSearch.Options(), space, 0, measure=MEASURE)
    assert searcher._distributions == {
        "loss": optuna.distributions.CategoricalDistribution(("kl", "l2")),
        "width": optuna.distributions.IntDistribution(0, 2),
    }


def test_a_trial_that_was_given_up_is_pruned_for_the_sampler_too():
    """Told as complete, what it had reached by then would pass for what its amounts are worth."""
    searcher = _search("TPESampler", budgets=((),))
    for number, pruned in enumerate((0.0, 1.0, 1.0)):
        candidate = searcher.ask(number) if number < 2 else searcher.space.sample(np.random.default_rng(7))
        metrics = {"accuracy": 0.3, "pruned": pruned}
        searcher.tell(Outcome(number, candidate, "done", metrics, MEASURE(candidate), curve=(0.2, 0.3)))
    first, *others = searcher._studies[0].trials
    assert (first.state.name, first.values) == ("COMPLETE", [0.3])
    for trial in others:
        assert trial.state.name == "PRUNED"
        assert trial.intermediate_values == {1: 0.2, 2: 0.3}
