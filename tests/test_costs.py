"""The table of costs, and that nothing spells its names again."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from torch import nn

import kdsearch
from kdsearch.costs import CLOSED_FORMS, COSTS, HEADLINE, find_cost, is_cost
from kdsearch.report.words import say_cost
from kdsearch.spec.limits_sections import Limits
from kdsearch.spec.sections import WidthOptions
from kdsearch.widths.finding import find_widths

PACKAGE = Path(kdsearch.__file__).parent
COUNTED_HERE = {"costs.py", "cost/flops.py"}
OTHER_MEANINGS = {"exporters/base.py", "exporters/base_manifest.py"}  # size_bytes of one written file


def _literals(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_no_other_module_of_the_product_lists_the_names_of_costs():
    names = {cost.name for cost in COSTS} - {HEADLINE, "latency_ms"}
    modules = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}
    bench_and_known = COUNTED_HERE | OTHER_MEANINGS | {name for name in modules if name.startswith("bench/")}
    spelled = {name: names & _literals(path) for name, path in modules.items() if name not in bench_and_known}
    assert {name: found for name, found in spelled.items() if found} == {}


def test_every_closed_form_is_computed_of_a_gene_and_can_be_limited():
    widths = find_widths(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3)), (3, 8, 8), WidthOptions())
    assert tuple(widths.costs(widths.full)) == CLOSED_FORMS
    assert set(Limits.model_fields) == {*CLOSED_FORMS, "window"}


def test_measured_costs_cannot_be_limited():
    with pytest.raises(ValueError, match="latency_ms"):
        Limits(latency_ms=3)


@pytest.mark.parametrize(
    ("name", "said"),
    [("macs", "1.50 M"), ("parameters", "1.50 M"), ("size_bytes", "1.50 MB"), ("latency_ms", "1500 ms")],
)
def test_each_cost_is_said_in_its_unit(name, said):
    value = 1_500_000 if name != "latency_ms" else 1500.0
    assert say_cost(name, value).startswith(said)


def test_a_row_is_found_by_its_name():
    assert find_cost("macs").label == "MACs"
    assert not is_cost("accuracy")
    with pytest.raises(KeyError, match="flops"):
        find_cost("flops")
