"""The net that a search has to beat, and what it leaves of its limits."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Literal

import numpy as np
import pytest
from torch import nn

from kdsearch.candidates.space import Candidate, SearchSpace, Window
from kdsearch.spec.sections import WidthOptions
from kdsearch.study import control
from kdsearch.study.control import uniform_gene
from kdsearch.widths.finding import find_widths
from kdsearch.widths.space import WidthSpace
from tests.toys import make_toy, toy_widths

pytestmark = pytest.mark.timeout(30)  # the first trace of a process takes seconds


def test_the_uniform_gene_is_the_largest_that_fits():
    widths = toy_widths(make_toy())
    full = widths.costs(widths.full)["macs"]
    for share in (0.2, 0.5, 0.8):
        windows = (Window("macs", None, share * full),)
        gene = uniform_gene(widths, windows)
        assert widths.costs(gene)["macs"] <= share * full
        assert gene.origin == "uniform widths"
        for group in widths.groups:
            above = [choice for choice in group.choices if choice > gene.values[group.name]]
            if above:
                raised = replace(gene, pairs=type(gene).of(gene.values | {group.name: above[0]}).pairs)
                assert widths.costs(raised)["macs"] > share * full


def test_without_limits_it_is_the_full_net():
    widths = toy_widths(make_toy())
    assert uniform_gene(widths, ()) == widths.full


def test_every_limit_binds_it():
    widths = toy_widths(make_toy())
    full = widths.costs(widths.full)
    windows = (Window("macs", None, full["macs"]), Window("parameters", None, 0.3 * full["parameters"]))
    assert widths.costs(uniform_gene(widths, windows))["parameters"] <= 0.3 * full["parameters"]


def chain() -> nn.Module:
    """Pixels fall and channels rise with the depth, as in most nets: MACs lie in front, parameters behind."""
    layers: list[nn.Module] = []
    for before, after in ((1, 32), (32, 64), (64, 128), (128, 256)):
        layers += [nn.Conv2d(before, after, 3, stride=1 + (before > 1), padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 3))


@pytest.mark.parametrize("divisor", [1, 8])
@pytest.mark.parametrize(("macs", "parameters"), [(0.5, 0.2), (0.3, 0.1)])
def test_it_has_the_costs_of_the_first_limit_though_the_second_binds_uniform_widths(divisor, macs, parameters):
    widths = find_widths(chain(), (1, 16, 16), WidthOptions(divisor=divisor))
    full = widths.costs(widths.full)
    windows = (
        Window("macs", 0.95 * macs * full["macs"], macs * full["macs"]),
        Window("parameters", None, parameters * full["parameters"]),
    )
    gene = uniform_gene(widths, windows)
    assert [window.miss(widths.costs(gene)) for window in windows] == [0, 0]
    assert widths.costs(gene)["macs"] >= 0.97 * windows[0].high
    shares = [gene.values[group.name] / group.width for group in widths.groups]
    assert gene.origin == "uniform widths tilted over the depth"
    assert shares[0] > shares[-1]  # the wider part lies where MACs are, and few parameters


@pytest.mark.parametrize("share", [0.12, 0.2, 0.25, 0.35, 0.5, 0.65, 0.8])
def test_coarse_steps_leave_no_more_than_three_hundredths_of_a_limit(share):
    net = nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 3), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(16 * 16, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )
    widths = find_widths(net, (1, 16, 16), WidthOptions())
    high = share * widths.costs(widths.full)["macs"]
    gene = uniform_gene(widths, (Window("macs", 0.95 * high, high),))
    assert 0.97 * high <= widths.costs(gene)["macs"] <= high


@pytest.mark.parametrize("share", [0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
@pytest.mark.parametrize("name", ["chain", "deep", "bottleneck", "hourglass"])
def test_no_exchange_of_steps_uses_more_of_the_limit_than_a_control_does(name, share):
    """Up to a two-hundredth of the limit, by trying all exchanges."""
    widths = widths_of(name, 8)
    high = share * widths.costs(widths.full)["macs"]
    gene = uniform_gene(widths, (Window("macs", 0.9 * high, high),))
    used = widths.costs(gene)["macs"]
    places = {group.name: group.choices.index(int(gene.values[group.name])) for group in widths.groups}
    for lowered in widths.groups:
        for raised in widths.groups:
            at = places | {lowered.name: places[lowered.name] - 1}
            at[raised.name] += 1
            if all(0 <= at[group.name] < len(group.choices) for group in widths.groups):
                other = Candidate.of({group.name: group.choices[at[group.name]] for group in widths.groups})
                assert used >= 0.995 * high or not used < widths.costs(other)["macs"] <= high


NETS = {
    "chain": lambda: stack(32, 64, 128, 256),
    "deep": lambda: stack(16, 16, 32, 32, 64, 64, 128, 128),
    "bottleneck": lambda: stack(64, 8, 64, 8, 128),
    "hourglass": lambda: stack(64, 16, 64, 32),
}


def stack(*widths: int) -> nn.Module:
    layers: list[nn.Module] = []
    for at, (before, after) in enumerate(zip((1, *widths), widths, strict=False)):
        layers += [nn.Conv2d(before, after, 3, stride=1 + (at > 0), padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], 3))


@cache
def widths_of(name: str, divisor: Literal[1, 8]) -> WidthSpace:
    return find_widths(NETS[name](), (1, 16, 16), WidthOptions(divisor=divisor))


def draw_windows(space: SearchSpace, widths: WidthSpace, rng: np.random.Generator) -> tuple[Window, ...]:
    """Two limits inside which a random gene lies, however much they contradict each other at uniform widths."""
    costs = widths.costs(space.sample(rng))
    narrow = rng.choice([0.01, 0.02, 0.05])
    high = costs["macs"] * (1 + narrow * rng.uniform(0, 0.9))
    return Window("macs", (1 - narrow) * high, high), Window("parameters", None, 1.01 * costs["parameters"])


@pytest.mark.parametrize("divisor", [1, 8])
@pytest.mark.parametrize("name", NETS)
def test_where_a_random_gene_lies_inside_two_limits_the_control_lies_inside_too(name, divisor):
    widths, rng = widths_of(name, divisor), np.random.default_rng(divisor)
    space = SearchSpace(widths.parameters())
    for _ in range(8):
        windows = draw_windows(space, widths, rng)
        gene = uniform_gene(widths, windows)
        assert [window.miss(widths.costs(gene)) for window in windows] == [0, 0], (windows, gene.origin)


def test_a_control_that_no_tilt_brings_inside_is_moved_there_and_no_further_than_it_must():
    widths, rng = widths_of("hourglass", 8), np.random.default_rng(0)
    space = SearchSpace(widths.parameters())
    drawn = [draw_windows(space, widths, rng) for _ in range(30)]
    moved = [(gene, each) for each in drawn if (gene := uniform_gene(widths, each)).origin.endswith("into the limits")]
    assert moved
    for gene, windows in moved:
        plain = control._top_up(widths, control._scaled(widths, windows, 0.0), windows)
        outside = control._tilted(widths, control._swap(widths, plain, windows), windows)
        for group in widths.groups:  # no single group can be given back its width
            back = Candidate.of(gene.values | {group.name: outside.values[group.name]})
            assert back == gene or any(window.miss(widths.costs(back)) for window in windows)


def test_windows_that_hold_no_gene_leave_the_control_below_them_and_its_origin_claims_nothing():
    widths = find_widths(stack(16, 16), (1, 16, 16), WidthOptions(divisor=8))
    costs = widths.costs(widths.full)
    windows = Window("macs", 0.99 * costs["macs"], costs["macs"]), Window("parameters", None, 0.5 * costs["parameters"])
    gene = uniform_gene(widths, windows)
    assert windows[0].miss(widths.costs(gene)) < 0 == windows[1].miss(widths.costs(gene))
    assert not gene.origin.endswith("into the limits")
