from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdsearch.candidates.repair import draw_bent, draw_for, find_inside, repair
from kdsearch.candidates.space import Candidate, Choice, SearchSpace, Window
from kdsearch.errors import InfeasibleError
from tests.widths_like import between, chain, ends, mobilenet_v2, product_spaces


def _inside(costs, windows):
    return all(window.miss(costs) == 0 for window in windows)


@pytest.mark.parametrize("millions", [14, 43, 140, 300, 500])
def test_random_genes_of_mobilenet_v2_are_found_at_every_budget(millions):
    # The official rejection loop finds none of 20,000 at 43M; the smallest gene has 12.8M.
    space, measure = mobilenet_v2()
    assert ends(space, measure)[0] == pytest.approx(12.8e6, rel=0.01)
    windows = (Window("macs", 0.95e6 * millions, 1e6 * millions),)
    rng = np.random.default_rng(0)
    drawn = [draw_for(space, measure, windows, rng) for _ in range(100)]
    assert all(_inside(measure(candidate), windows) and space.contains(candidate) for candidate in drawn)
    assert len(set(drawn)) >= 90


def test_a_draw_measures_about_eight_candidates():
    space, measure = mobilenet_v2()
    counted = []

    def count(candidate):
        counted.append(candidate)
        return measure(candidate)

    rng = np.random.default_rng(0)
    for _ in range(200):
        draw_for(space, count, (Window("macs", 133e6, 140e6),), rng)
    assert len(counted) / 200 < 9


def test_draws_are_of_many_shapes_not_only_of_one_scale():
    space, measure = mobilenet_v2()
    rng = np.random.default_rng(0)
    drawn = [draw_for(space, measure, (Window("macs", 133e6, 140e6),), rng) for _ in range(200)]
    ranks = np.stack([space.ranks(candidate) / space.last_ranks for candidate in drawn])
    within = ranks.std(axis=1)  # 0 for a uniform net, 0.29 for independent uniform draws
    assert within.min() < 0.05
    assert within.max() > 0.25
    assert (ranks.std(axis=0) > 0.1).all()


@settings(deadline=None, max_examples=60)
@given(drawn=product_spaces(), share=st.floats(0.0, 1.0), width=st.floats(0.05, 0.5), seed=st.integers(0, 2**32))
def test_repair_finds_a_candidate_wherever_one_in_fifty_would_do(drawn, share, width, seed):
    space, measure = drawn
    everything = [Candidate.of(dict(zip(space.names, values, strict=True))) for values in product(*_lists(space))]
    high = between(*ends(space, measure), share)
    windows = (Window("macs", (1 - width) * high, high),)
    inside = [candidate for candidate in everything if _inside(measure(candidate), windows)]
    rng = np.random.default_rng(seed)
    start = space.sample(rng, "mutation of 3")
    try:
        repaired = repair(space, start, measure, windows, rng)
    except InfeasibleError:
        assert len(inside) < len(everything) / 50
    else:
        assert repaired in inside
        assert repaired.origin == "mutation of 3"


def _lists(space):
    return [choice.values for choice in space.parameters]


def test_a_candidate_inside_the_windows_stays_as_it_is():
    space, measure = chain(6)
    rng = np.random.default_rng(0)
    candidate = space.sample(rng)
    macs = measure(candidate)["macs"]
    assert repair(space, candidate, measure, (Window("macs", macs, macs),), rng) is candidate


def test_a_repaired_candidate_keeps_its_shape():
    space, measure = mobilenet_v2()
    rng = np.random.default_rng(0)
    steep = space.at_ranks(space.sample(rng), np.linspace(0, 1, len(space.last_ranks)) * space.last_ranks)
    repaired = repair(space, steep, measure, (Window("macs", 95e6, 100e6),), rng)
    before, after = (space.ranks(candidate) / space.last_ranks for candidate in (steep, repaired))
    assert np.corrcoef(before, after)[0, 1] > 0.9


def test_two_windows_hold_at_once():
    space, measure = chain(10)
    rng = np.random.default_rng(0)
    windows = (Window("macs", 9_500, 10_000), Window("parameters", None, 290))
    for _ in range(50):
        costs = measure(draw_for(space, measure, windows, rng))
        assert _inside(costs, windows)


def test_coarse_steps_do_not_jump_over_the_window():
    # Each layer can only be 8 or 64 wide, so that one step of a layer is up to half of the window's middle.
    space = SearchSpace(Choice(f"layer{place}", (8, 64)) for place in range(10))
    _, measure = chain(10)
    rng = np.random.default_rng(0)
    windows = (Window("macs", 9_000, 10_000),)
    for _ in range(50):
        assert _inside(measure(draw_for(space, measure, windows, rng)), windows)


def test_without_a_lower_end_draws_are_uniform_where_they_fit():
    space, measure = chain(6)
    windows = (Window("macs", None, 1e9),)
    drawn = draw_for(space, measure, windows, np.random.default_rng(7))
    assert drawn == space.sample(np.random.default_rng(7))


def test_without_a_lower_end_what_is_too_dear_comes_to_lie_just_below_the_limit():
    space, measure = chain(6)
    rng = np.random.default_rng(0)
    full = space.offset(space.sample(rng), 1.0)
    macs = measure(repair(space, full, measure, (Window("macs", None, 8_000),), rng))["macs"]
    assert 7_200 <= macs <= 8_000


def test_a_limit_below_the_smallest_names_the_nearest():
    space, measure = chain(4)
    least, _ = ends(space, measure)  # 3*8 + 3 products of 8*8 + 8*10 = 296
    assert least == 296
    wanted = r"macs from 190 to 200 \(the nearest has 296\); raise the limit"
    with pytest.raises(InfeasibleError, match=wanted):
        draw_for(space, measure, (Window("macs", 190, 200),), np.random.default_rng(0))


def test_a_space_of_words_has_no_offset_but_is_drawn_again():
    space = SearchSpace((Choice("net", ("small", "large")),))
    candidate = Candidate.of({"net": "large"})

    def measure(candidate):
        return {"macs": 10 if candidate.values["net"] == "small" else 100}

    repaired = repair(space, candidate, measure, (Window("macs", 5, 20),), np.random.default_rng(0))
    assert repaired.values == {"net": "small"}


@pytest.mark.parametrize("high", [4_000, 9_000, 16_000])
def test_bent_draws_are_inside_and_share_the_budget_between_early_and_late_layers_in_more_ways(high):
    space, measure = chain(8)
    windows = (Window("macs", 0.9 * high, high),)

    def slopes(draw):
        rng = np.random.default_rng(0)
        drawn = [draw(space, measure, windows, rng) for _ in range(200)]
        assert all(_inside(measure(candidate), windows) for candidate in drawn)
        ranks = np.array([space.ranks(candidate) for candidate in drawn])
        return (ranks[:, 4:].mean(1) - ranks[:, :4].mean(1)).std()

    assert slopes(draw_bent) > 1.15 * slopes(draw_for)


@settings(deadline=None, max_examples=60)
@given(drawn=product_spaces(), seed=st.integers(0, 2**32), pick=st.integers(0, 10**6))
def test_with_one_candidate_known_inside_something_is_always_found(drawn, seed, pick):
    space, measure = drawn
    everything = [Candidate.of(dict(zip(space.names, values, strict=True))) for values in product(*_lists(space))]
    known = everything[pick % len(everything)]
    costs = measure(known)["macs"]
    windows = (Window("macs", costs, costs),)  # as narrow as can be
    rng = np.random.default_rng(seed)
    for draw in (draw_for, draw_bent):
        found = draw(space, measure, windows, rng, inside=known)
        assert _inside(measure(found), windows)
        assert space.contains(found)


def _many_macs_in_few_parameters():
    """A net of which the early layers have the MACs and the late ones the parameters, and limits that ask for both."""
    space, _ = mobilenet_v2()
    weights = np.arange(1, len(space.last_ranks) + 1)

    def measure(candidate):
        ranks = space.ranks(candidate) + 1
        return {"macs": float((ranks / weights).sum()), "parameters": float((ranks * weights).sum())}

    small, full = (
        measure(space.at_ranks(space.sample(np.random.default_rng(0)), at * space.last_ranks)) for at in (0, 1)
    )
    windows = (
        Window("macs", 0.57 * full["macs"], 0.6 * full["macs"]),
        Window("parameters", None, small["parameters"] + 0.07 * (full["parameters"] - small["parameters"])),
    )
    return space, measure, windows


def test_limits_that_contradict_each_other_at_almost_every_shape_are_met_by_climbing():
    space, measure, windows = _many_macs_in_few_parameters()
    rng = np.random.default_rng(0)
    middle = space.at_ranks(space.sample(rng), 0.3 * space.last_ranks)
    with pytest.raises(InfeasibleError):
        repair(space, middle, measure, windows, rng)
    known = find_inside(space, measure, windows, rng, middle)
    assert _inside(measure(known), windows)
    found = {draw_for(space, measure, windows, rng, inside=known) for _ in range(20)}
    assert all(_inside(measure(candidate), windows) for candidate in found)
    assert len(found) > 10


def test_limits_that_nothing_meets_are_told_with_the_nearest():
    space, measure, (macs, parameters) = _many_macs_in_few_parameters()
    windows = (macs, Window("parameters", None, parameters.high / 4))
    rng = np.random.default_rng(0)
    with pytest.raises(InfeasibleError, match=r"found no candidate with .* \(the nearest has .*; raise the limit"):
        find_inside(space, measure, windows, rng, space.sample(rng))
