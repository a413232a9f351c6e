"""What every searcher in the registry promises."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from kdsearch import registry
from kdsearch.candidates.space import Candidate, Choice, Real, SearchSpace, Window
from kdsearch.errors import InfeasibleError, SpaceExhausted
from kdsearch.records import Outcome, RunPaths
from kdsearch.rundir.ledger import Ledger
from tests.widths_like import chain, ends

NAMES = registry.available("kdsearch.searchers")
SPACE, MEASURE = chain(8)
BUDGETS = tuple((Window("macs", 0.9 * high, high),) for high in (4_000, 9_000, 16_000))


def _searcher(name, *, space=SPACE, measure=MEASURE, budgets=BUDGETS, seed=0, seeds=()):
    kind = registry.find("kdsearch.searchers", name)
    options = kind.Options(
        **({"population": 12, "parents": 4, "mutation": 6, "crossover": 5} if _evolves(name) else {})
    )
    return kind(options, space, seed, budgets=budgets, measure=measure, seeds=seeds)


def _free(candidate):
    return {}


def _evolves(name):
    return name == "evolution"


def _outcome(number, candidate, measure=MEASURE):
    """Even layers are worth more than odd ones; every eleventh trial fails."""
    if number % 11 == 10:
        return Outcome(number, candidate, "failed", traceback="it broke")
    worth = sum(math.sqrt(value) * (1 + place % 2) for place, (_, value) in enumerate(candidate.pairs))
    return Outcome(number, candidate, "done", {"accuracy": worth / 200}, measure(candidate))


def _run(searcher, numbers, measure=MEASURE):
    outcomes = []
    for number in numbers:
        outcomes.append(_outcome(number, searcher.ask(number), measure))
        searcher.tell(outcomes[-1])
    return outcomes


def test_all_three_searchers_are_registered():
    assert NAMES == ("evolution", "optuna", "random")


@pytest.mark.parametrize("name", NAMES)
def test_every_candidate_is_inside_its_windows_and_none_comes_twice(name):
    outcomes = _run(_searcher(name), range(60))
    for outcome in outcomes:
        window = BUDGETS[outcome.number % 3][0]
        assert window.low <= MEASURE(outcome.candidate)["macs"] <= window.high
        assert SPACE.contains(outcome.candidate)
        assert outcome.candidate.origin
    assert len({outcome.candidate for outcome in outcomes}) == 60


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_asks_the_same_and_another_seed_does_not(name):
    first, second, other = (_run(_searcher(name, seed=seed), range(40)) for seed in (3, 3, 4))
    assert first == second
    assert [outcome.candidate for outcome in first] != [outcome.candidate for outcome in other]
    assert [each.candidate.origin for each in first] == [each.candidate.origin for each in second]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("cut", [1, 12, 31])
def test_told_what_a_killed_search_left_it_goes_on_as_if_never_killed(name, cut):
    whole = _run(_searcher(name), range(50))
    resumed = _searcher(name)
    for outcome in whole[:cut]:
        resumed.tell(outcome)
    assert _run(resumed, range(cut, 50)) == whole[cut:]


@pytest.mark.parametrize("name", NAMES)
def test_a_search_goes_on_from_its_ledger_as_if_never_killed(name, tmp_path):
    whole = _run(_searcher(name), range(40))
    with Ledger(RunPaths(tmp_path), "journal", "toy", SPACE.parameters) as ledger:
        for outcome in whole[:30]:
            ledger.append(outcome)
    with Ledger(RunPaths(tmp_path), "journal", "toy", SPACE.parameters) as ledger:
        resumed = _searcher(name)
        for outcome in ledger.outcomes():
            resumed.tell(outcome)
    rest = _run(resumed, range(30, 40))
    assert rest == whole[30:]
    assert [each.candidate.origin for each in rest] == [each.candidate.origin for each in whole[30:]]


def test_options_of_searchers_and_executors_are_read_without_torch_and_optuna():
    code = """
import sys
from kdsearch import registry
for package in ("kdsearch.searchers", "kdsearch.executors"):
    for name in registry.available(package):
        registry.find(package, name).Options()
import kdsearch.rundir.store, kdsearch.rundir.ledger, kdsearch.candidates.limits
print(sorted({"torch", "optuna", "sqlalchemy"} & set(sys.modules)))
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"


@pytest.mark.parametrize("name", NAMES)
def test_numbers_lost_by_workers_are_asked_again_without_duplicates(name):
    ledger = [outcome for outcome in _run(_searcher(name), range(24)) if outcome.number not in (5, 17, 20)]
    resumed = _searcher(name)
    for outcome in ledger:
        resumed.tell(outcome)
    again = _run(resumed, (5, 17, 20, 24, 25))
    assert len({outcome.candidate for outcome in ledger + again}) == 26


@pytest.mark.parametrize("name", NAMES)
def test_trials_in_flight_are_not_asked_a_second_time(name):
    searcher = _searcher(name)
    flying = [searcher.ask(number) for number in range(20)]
    assert len(set(flying)) == 20
    assert [searcher.ask(number) for number in range(20)] == flying
    for number in (7, 3, 19, 0):  # outcomes come back in any order
        searcher.tell(_outcome(number, flying[number]))
    assert searcher.ask(20) not in flying


@pytest.mark.parametrize("name", NAMES)
def test_seeds_are_tried_first_and_repaired_into_their_windows(name):
    uniform = [Candidate.of(dict.fromkeys(SPACE.names, width), "uniform") for width in (16, 24, 64)]
    asked = [outcome.candidate for outcome in _run(_searcher(name, seeds=tuple(uniform)), range(5))]
    assert [candidate.origin for candidate in asked[:3]] == ["uniform"] * 3
    assert all(BUDGETS[number % 3][0].miss(MEASURE(asked[number])) == 0 for number in range(5))


@pytest.mark.parametrize("name", NAMES)
def test_a_small_space_is_tried_to_the_last_candidate(name):
    space, measure = SearchSpace((Choice("a", (1, 2, 3)), Choice("b", (1, 2, 3)))), _free
    searcher = _searcher(name, space=space, measure=measure, budgets=((),))
    assert len({outcome.candidate for outcome in _run(searcher, range(9), measure)}) == 9
    with pytest.raises(SpaceExhausted, match="9 candidates tried, and no other found inside the limits"):
        searcher.ask(9)


@pytest.mark.parametrize("name", NAMES)
def test_a_limit_below_the_smallest_is_told_at_once(name):
    assert ends(*chain(8))[0] == 3 * 8 + 7 * 64 + 80
    searcher = _searcher(name, budgets=((Window("macs", 400, 500),),))
    with pytest.raises(InfeasibleError, match="the nearest has 552"):
        searcher.ask(0)


@pytest.mark.parametrize("name", NAMES)
def test_hyperparameters_are_searched_as_well_as_widths(name):
    space = SearchSpace(
        (Real("rate", 1e-4, 1e-1, log=True), Choice("loss", ("kl", "l2")), Choice("batch", (16, 32, 64)))
    )
    searcher = _searcher(name, space=space, measure=_free, budgets=((),))
    for number in range(30):
        candidate = searcher.ask(number)
        assert space.contains(candidate)
        searcher.tell(
            Outcome(number, candidate, "done", {"accuracy": 1 - abs(math.log10(candidate.values["rate"]) + 2)})
        )


@pytest.mark.parametrize("name", NAMES)
def test_all_trials_may_fail(name):
    searcher = _searcher(name)
    for number in range(30):
        searcher.tell(Outcome(number, searcher.ask(number), "failed"))
    assert searcher.bar(30) is None
    assert SPACE.contains(searcher.ask(30))


@pytest.mark.parametrize("name", NAMES)
def test_an_accuracy_that_is_not_a_number_counts_as_a_failure(name):
    searcher = _searcher(name, budgets=((),))
    searcher.tell(Outcome(0, searcher.ask(0), "done", {"accuracy": math.nan}))
    assert searcher.best(0, 5) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_bar_is_the_last_lower_bound_that_the_search_keeps_of_a_budget(name):
    searcher = _searcher(name, budgets=((), ()))
    keeps = searcher.keeps
    for number in range(2 * keeps):  # even numbers are of budget 0
        assert searcher.bar(number) is None
        metrics = {"accuracy": 0.5 + number / 1000, "accuracy_stderr": 0.1 if number == 2 else 0.0}
        searcher.tell(Outcome(number, searcher.ask(number), "done", metrics))
    assert searcher.bar(2 * keeps) == pytest.approx(0.502 - 2.58 * 0.1)
    assert searcher.bar(2 * keeps + 1) == pytest.approx(0.501)
    searcher.tell(Outcome(2 * keeps, searcher.ask(2 * keeps), "done", {"accuracy": 0.9}))
    assert searcher.bar(2 * keeps) == pytest.approx(0.5)


@pytest.mark.parametrize("name", NAMES)
def test_a_trial_told_twice_or_asked_after_it_was_told_is_a_bug(name):
    searcher = _searcher(name)
    outcome = _run(searcher, range(1))[0]
    with pytest.raises(ValueError, match="trial 0 was told twice"):
        searcher.tell(outcome)
    with pytest.raises(ValueError, match="trial 0 has been told already"):
        searcher.ask(0)
