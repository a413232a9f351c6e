"""The net that a search has to beat, and what it leaves of its limits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from torch import nn

from kdsearch.candidates.space import Window
from kdsearch.spec.sections import WidthOptions
from kdsearch.study.control import uniform_gene
from kdsearch.widths.finding import find_widths
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
