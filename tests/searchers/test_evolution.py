from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError

from kdsearch.candidates.space import Choice, Real, SearchSpace, Window
from kdsearch.records import Outcome
from kdsearch.searchers.evolution import Evolution
from kdsearch.searchers.random import RandomSearch
from tests.widths_like import chain, mobilenet_v2

SPACE, MEASURE = chain(8)
BUDGETS = tuple((Window("macs", 0.9 * high, high),) for high in (4_000, 9_000, 16_000))
SMALL = {"population": 12, "parents": 4, "mutation": 6, "crossover": 4}


def _evolution(budgets=BUDGETS[1:2], seed=0, **options):
    return Evolution(Evolution.Options(**options), SPACE, seed, budgets=budgets, measure=MEASURE)


def _accuracy(candidate):
    """What a search has to find out: only every second layer's width is worth anything."""
    return sum(math.sqrt(value) * (place % 2) for place, (_, value) in enumerate(candidate.pairs)) / 40


def _run(searcher, numbers):
    outcomes = []
    for number in numbers:
        candidate = searcher.ask(number)
        outcomes.append(Outcome(number, candidate, "done", {"accuracy": _accuracy(candidate)}, MEASURE(candidate)))
        searcher.tell(outcomes[-1])
    return outcomes


def _kind(outcome):
    return outcome.candidate.origin.split()[0]


def test_the_papers_preset_is_a_thousand_evaluations_of_50_25_and_25():
    space, measure = mobilenet_v2()
    searcher = Evolution(
        Evolution.Options(mode="generational"), space, 0, budgets=((Window("macs", None, 330e6),),), measure=measure
    )
    assert searcher.total(10_000) == 1_000
    kinds = []
    for number in range(150):
        candidate = searcher.ask(number)
        kinds.append(candidate.origin.split()[0])
        searcher.tell(Outcome(number, candidate, "done", {"accuracy": (number * 7 % 50) / 50}))
    assert kinds == ["random"] * 50 + (["mutation"] * 25 + ["crossover"] * 25) * 2


def test_parents_are_the_best_of_all_generations_before():
    searcher = _evolution(mode="generational", **SMALL)
    outcomes = _run(searcher, range(36))
    for outcome in outcomes[12:]:
        start = outcome.number - outcome.number % 12
        ranked = sorted(outcomes[:start], key=lambda each: -each.metrics["accuracy"])
        best = {each.number for each in ranked[:4]}
        named = {int(word) for word in outcome.candidate.origin.split() if word.isdigit()}
        assert named <= best


def test_a_shortfall_is_filled_with_random_candidates():
    outcomes = _run(_evolution(mode="generational", **SMALL), range(24))
    assert [_kind(each) for each in outcomes[12:]] == ["mutation"] * 6 + ["crossover"] * 4 + ["random"] * 2


def test_a_generation_waits_for_the_one_before_and_steady_never_waits():
    generational, steady = _evolution(mode="generational", **SMALL), _evolution(**SMALL)
    flying = {number: generational.ask(number) for number in range(12)}
    assert generational.ready(11)
    assert not generational.ready(12)
    for number, candidate in flying.items():
        assert not generational.ready(12)
        generational.tell(Outcome(number, candidate, "failed" if number == 5 else "done", {"accuracy": 0.5}))
    assert generational.ready(23)
    assert not generational.ready(24)
    assert steady.ready(24)
    assert steady.total(77) == 77


def test_what_returns_early_in_a_generation_does_not_change_its_candidates():
    one, other = _evolution(mode="generational", **SMALL), _evolution(mode="generational", **SMALL)
    _run(one, range(12))
    _run(other, range(12))
    serial = [outcome.candidate for outcome in _run(one, range(12, 24))]
    at_once = [other.ask(number) for number in range(12, 24)]
    assert serial == at_once


def test_steady_uses_an_outcome_at_the_very_next_trial():
    searcher = _evolution(population=2, parents=1, mutation=2, crossover=0, bends=0.3)
    for number in range(30):
        candidate = searcher.ask(number)
        if number >= 2:
            assert candidate.origin in (f"mutation of {number - 1}", f"bend of {number - 1}")
        searcher.tell(Outcome(number, candidate, "done", {"accuracy": number / 100}))


def test_failed_candidates_are_never_parents():
    searcher = _evolution(**SMALL)
    for number in range(60):
        candidate = searcher.ask(number)
        assert not any(int(word) % 2 for word in candidate.origin.split() if word.isdigit())
        state = "failed" if number % 2 else "done"
        searcher.tell(Outcome(number, candidate, state, {"accuracy": 0.5}))


def test_both_parents_leave_their_mark_on_a_child():
    searcher = _evolution(**SMALL, mode="generational")
    outcomes = _run(searcher, range(24))
    parents = {each.number: each.candidate for each in outcomes}
    for outcome in outcomes[18:22]:
        first, second = (int(word) for word in outcome.candidate.origin.split() if word.isdigit())
        assert first != second
        ranks = [SPACE.ranks(candidate) for candidate in (outcome.candidate, parents[first], parents[second])]
        offsets = np.minimum(abs(ranks[0] - ranks[1]), abs(ranks[0] - ranks[2]))
        assert offsets.max() <= 3  # repair moved all ranks by one small common offset


def test_one_search_serves_every_budget_and_they_learn_from_each_other():
    outcomes = _run(_evolution(budgets=BUDGETS, migration=0.5, **SMALL), range(120))
    crossings = 0
    for outcome in outcomes:
        assert BUDGETS[outcome.number % 3][0].miss(outcome.costs) == 0
        named = [int(word) for word in outcome.candidate.origin.split() if word.isdigit()]
        crossings += any(parent % 3 != outcome.number % 3 for parent in named)
        assert all(abs(parent % 3 - outcome.number % 3) <= 1 for parent in named)
    assert crossings > 20


def test_without_migration_a_budget_keeps_to_itself_once_it_has_parents():
    outcomes = _run(_evolution(budgets=BUDGETS, migration=0.0, **SMALL), range(90))
    for outcome in outcomes[12:]:
        named = [int(word) for word in outcome.candidate.origin.split() if word.isdigit()]
        assert all(parent % 3 == outcome.number % 3 for parent in named)


def test_evolution_finds_better_candidates_than_random_search_at_the_same_cost():
    found = {"evolution": [], "random": []}
    for seed in range(3):
        for name, searcher in (
            ("evolution", _evolution(seed=seed)),
            ("random", RandomSearch(RandomSearch.Options(), SPACE, seed, budgets=BUDGETS[1:2], measure=MEASURE)),
        ):
            outcomes = _run(searcher, range(250))
            found[name].append(max(each.metrics["accuracy"] for each in outcomes))
    assert min(found["evolution"]) > max(found["random"])


def test_parts_that_do_not_fit_the_population_are_refused():
    with pytest.raises(ValidationError, match=r"parents \(60\) must not exceed population \(50\)"):
        Evolution.Options(parents=60)
    with pytest.raises(ValidationError, match=r"mutation \+ crossover \(65\) must not exceed population \(50\)"):
        Evolution.Options(mutation=40)


def test_the_share_of_bends_is_that_of_random_candidates_and_of_mutations():
    outcomes = _run(_evolution(**SMALL, bends=0.4), range(400))
    drawn = [each.candidate.origin for each in outcomes if each.candidate.origin.startswith("random")]
    changed = [_kind(each) for each in outcomes if _kind(each) in ("mutation", "bend")]
    assert sum(origin == "random, bent" for origin in drawn) / len(drawn) == pytest.approx(0.4, abs=0.15)
    # a bend that changes nothing, or leads to what was tried, is drawn again
    assert 0.2 < changed.count("bend") / len(changed) < 0.5
    assert all(BUDGETS[1][0].miss(each.costs) == 0 for each in outcomes)


@pytest.mark.parametrize("options", [{"bends": 0.0}, {"bends": 1.0, "mode": "generational"}])
def test_nothing_is_bent_where_bends_are_off_or_the_search_is_the_papers(options):
    outcomes = _run(_evolution(**SMALL, **options), range(36))
    assert not any("ben" in each.candidate.origin for each in outcomes)


def test_where_widths_are_fixed_nothing_is_bent():
    space = SearchSpace((Real("weight", 0.0, 1.0), Choice("conv", (16,))))
    searcher = Evolution(Evolution.Options(**SMALL, bends=1.0), space, 0, measure=lambda _: {})
    kinds = []
    for number in range(60):
        candidate = searcher.ask(number)
        kinds.append(candidate.origin.split()[0])
        searcher.tell(Outcome(number, candidate, "done", {"accuracy": candidate.reals["weight"]}))
    assert kinds.count("mutation") > 15
    assert set(kinds) <= {"random", "mutation", "crossover"}


def test_bends_find_a_slope_that_single_mutations_miss():
    """Best where early layers are wide and late ones narrow: worth nothing unless most layers move."""

    def slope(candidate):
        widths = [value for _, value in candidate.pairs]
        return float(np.corrcoef(widths, -np.arange(len(widths)))[0, 1] * np.std(widths)) / 100

    def best(bends, seed):
        searcher = _evolution(seed=seed, population=20, parents=4, mutation=16, crossover=2, bends=bends)
        found = []
        for number in range(60):
            candidate = searcher.ask(number)
            found.append(slope(candidate))
            searcher.tell(Outcome(number, candidate, "done", {"accuracy": found[-1]}, MEASURE(candidate)))
        return max(found)

    without, bent = (np.mean([best(share, seed) for seed in range(8)]) for share in (0.0, 0.5))
    assert bent > without
