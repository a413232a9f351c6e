from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdsearch.candidates.space import Candidate, Choice, Real, SearchSpace, Window
from tests.widths_like import chain, product_spaces

MIXED = SearchSpace(
    (
        Choice("width", (8, 16, 24)),
        Choice("loss", ("kl", "l2")),
        Real("rate", 1e-4, 1e-1, log=True),
        Real("weight", 0.5, 2.0),
    )
)
CHOICES = SearchSpace((Choice("b", (1, 2, 4)), Choice("a", (10, 20))))


def test_the_size_of_a_space_of_choices_is_the_product_of_their_counts():
    assert CHOICES.size() == 6
    assert MIXED.size() == math.inf
    assert chain(400)[0].size() == math.inf  # 8 to the power of 400 is no float


def test_equal_values_are_one_candidate_whatever_their_order_and_origin():
    assert Candidate.of({"b": 1, "a": 2}, "mutation") == Candidate.of({"a": 2, "b": 1}, "random")


def test_a_space_holds_its_own_candidates_and_no_others():
    assert CHOICES.contains(Candidate.of({"a": 10, "b": 4}))
    assert not CHOICES.contains(Candidate.of({"a": 10, "b": 3}))
    assert not CHOICES.contains(Candidate.of({"a": 10}))
    assert not CHOICES.contains(Candidate.of({"a": 10, "b": 4, "c": 1}))
    assert not MIXED.contains(Candidate.of({"width": 8, "loss": "kl", "rate": 0.2, "weight": 1.0}))
    assert not MIXED.contains(Candidate.of({"width": 8, "loss": "kl", "rate": "0.01", "weight": 1.0}))


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), probability=st.floats(0, 1))
def test_what_is_sampled_mutated_and_crossed_stays_in_the_space(seed, probability):
    rng = np.random.default_rng(seed)
    first, second = MIXED.sample(rng), MIXED.sample(rng)
    for drawn in (first, MIXED.mutate(first, rng, probability), MIXED.crossover(first, second, rng)):
        assert MIXED.contains(drawn)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), probability=st.floats(0, 1))
def test_a_mutation_always_changes_something(seed, probability):
    rng = np.random.default_rng(seed)
    candidate = CHOICES.sample(rng)
    assert CHOICES.mutate(candidate, rng, probability) != candidate


def test_a_mutation_redraws_each_parameter_with_its_probability():
    space, _ = chain(10)
    rng = np.random.default_rng(0)
    start = space.sample(rng)
    changed = [
        sum(a != b for a, b in zip(start.pairs, space.mutate(start, rng, 0.3).pairs, strict=True)) for _ in range(2000)
    ]
    # binomial(10, 0.3) with the 0.028 empty draws counted as one change: 3.03, standard error 1.4 / sqrt(2000) = 0.03
    assert np.mean(changed) == pytest.approx(3.03, abs=0.12)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_child_takes_every_value_from_one_of_its_parents(seed):
    rng = np.random.default_rng(seed)
    first, second = MIXED.sample(rng), MIXED.sample(rng)
    child = MIXED.crossover(first, second, rng, "crossover of 1 and 2")
    assert all(value in (first.values[name], second.values[name]) for name, value in child.pairs)
    assert child.origin == "crossover of 1 and 2"


def test_an_offset_moves_all_ranks_together_and_stops_at_the_ends():
    candidate = Candidate.of({"a": 10, "b": 2}, "seed")
    assert CHOICES.offset(candidate, 0.5) == Candidate.of({"a": 10, "b": 4})  # half a rank rounds to even: 0
    assert CHOICES.offset(candidate, 1.0) == Candidate.of({"a": 20, "b": 4})
    assert CHOICES.offset(candidate, -9.0) == Candidate.of({"a": 10, "b": 1})
    assert CHOICES.offset(candidate, 1.0).origin == "seed"


@settings(deadline=None)
@given(drawn=product_spaces(), seed=st.integers(0, 2**32), shifts=st.tuples(st.floats(-1, 1), st.floats(-1, 1)))
def test_costs_never_fall_when_the_offset_grows(drawn, seed, shifts):
    space, measure = drawn
    candidate = space.sample(np.random.default_rng(seed))
    less, more = (measure(space.offset(candidate, shift))["macs"] for shift in sorted(shifts))
    assert less <= more


@settings(deadline=None)
@given(drawn=product_spaces(), seed=st.integers(0, 2**32))
def test_ranks_and_values_are_inverses(drawn, seed):
    space, _ = drawn
    candidate = space.sample(np.random.default_rng(seed))
    assert space.at_ranks(candidate, space.ranks(candidate)) == candidate


def test_a_parameter_without_values_or_with_one_twice_or_out_of_order_is_refused():
    for values in ((), (1, 1), (2, 1)):
        with pytest.raises(ValueError, match="width: "):
            SearchSpace((Choice("width", values),))
    with pytest.raises(ValueError, match="two parameters of one name"):
        SearchSpace((Choice("width", (1,)), Choice("width", (2,))))


def test_a_window_says_on_which_side_and_how_far_costs_miss_it():
    window = Window("macs", 90, 100)
    assert window.miss({"macs": 90}) == window.miss({"macs": 100}) == 0
    assert window.miss({"macs": 110}) == pytest.approx(0.1)
    assert window.miss({"macs": 70}) == pytest.approx(-0.2)
    assert Window("macs", None, 100).miss({"macs": 1}) == 0


def test_the_distance_is_the_mean_difference_of_parameters_as_shares_of_their_ranges():
    first = Candidate.of({"width": 8, "loss": "kl", "rate": 1e-4, "weight": 0.5})
    second = Candidate.of({"width": 16, "loss": "l2", "rate": 1e-2, "weight": 2.0})
    assert MIXED.distance(first, second) == pytest.approx((1 / 2 + 1 + 2 / 3 + 1) / 4)
    assert MIXED.distance(first, first) == 0


def test_parameters_with_one_choice_take_no_part_in_a_distance():
    space = SearchSpace((Choice("a", (10, 20, 30)), Choice("fixed", (5,))))
    assert space.distance(Candidate.of({"a": 10, "fixed": 5}), Candidate.of({"a": 30, "fixed": 5})) == 1
    assert SearchSpace((Choice("fixed", (5,)),)).distance(Candidate.of({"fixed": 5}), Candidate.of({"fixed": 5})) == 0


def test_a_bend_moves_ranks_by_a_curve_over_the_order_in_which_parameters_were_given():
    names = ("c", "a", "d", "b", "e")  # sorted otherwise than given
    space = SearchSpace(Choice(name, tuple(range(0, 110, 10))) for name in names)
    middle = Candidate.of(dict.fromkeys(names, 50))
    tilted, bowed = space.bend(middle, 0.8, 0.0, "tilted"), space.bend(middle, 0.0, 0.4)
    assert [tilted.values[name] for name in names] == [10, 30, 50, 70, 90]
    assert [bowed.values[name] for name in names] == [30, 50, 70, 50, 30]
    assert tilted.origin == "tilted"
    flat = Candidate.of({"a": 10, "fixed": 5})
    assert SearchSpace((Choice("a", (10, 20)), Choice("fixed", (5,)))).bend(flat, 0.1, 0.1) == flat
