from __future__ import annotations

import re
import statistics

import pytest

from kdsearch.report.charts import SHAPES
from kdsearch.report.curves import draw_final_curves
from kdsearch.report.figures import draw_figures, draw_trained
from kdsearch.report.reading import read_run
from kdsearch.report.trials import draw_trials
from tests.report.conftest import run_of


def test_every_chart_is_drawn_for_a_finished_run(summary, outcomes):
    figures = draw_figures(read_run(summary, outcomes))
    assert len(figures) == 6
    assert all(figure.svg and not figure.note for figure in figures)


def test_every_chart_of_a_run_without_anything_is_a_sentence():
    figures = draw_figures(run_of())
    assert figures
    assert all(figure.note.endswith(".") and not figure.svg for figure in figures)


@pytest.fixture
def three_budgets(summary):
    """The same nets for three budgets, a third of the MACs apart."""
    made = [row for row in summary["students"] if row["role"] != "full"]
    limits = summary["budgets"][0]["macs"]
    for budget, share in ((1, 0.66), (2, 0.33)):
        for row in made:
            costs = row["costs"] | {"macs": round(share * row["costs"]["macs"])}
            summary["students"].append(row | {"id": f"{row['id']}-{budget}", "budget": budget, "costs": costs})
        summary["budgets"].append({"macs": [share * limit for limit in limits]})
    return summary


def marks_of(svg: str) -> list[tuple[str, float, float]]:
    """(Element, x, y) of every mark of the chart of trained nets."""
    found = re.findall(r'<circle class="\w+" cx="([\d.]+)" cy="([\d.]+)"', svg)
    drawn = [("circle", float(x), float(y)) for x, y in found]
    for points in re.findall(r'<polygon[^>]*points="([^"]*)"', svg):
        corners = [tuple(map(float, corner.split(","))) for corner in points.split()]
        drawn.append((f"corners {len(corners)}", *(statistics.fmean(each) for each in zip(*corners, strict=True))))
    return drawn


def test_three_budgets_in_one_chart_have_a_shape_each_and_no_mark_hides_another(three_budgets, outcomes):
    figure = draw_trained(read_run(three_budgets, outcomes))
    marks = marks_of(figure.svg)
    assert len(marks) == len(three_budgets["students"]) == 3 * 5 + 1
    assert {kind for kind, _, _ in marks} == {"circle", "corners 4", "corners 3"}
    for at, (_, x, y) in enumerate(marks):
        for _, other_x, other_y in marks[:at]:
            assert abs(x - other_x) > 7 or abs(y - other_y) > 7
    shapes = [kind for kind, _ in figure.legend if kind.startswith("trial ")]
    assert shapes == [f"trial {shape}" for shape in SHAPES[:3]]
    assert re.findall(r">([123])</text>", figure.svg) == ["1", "2", "3"]  # the budgets' lines


@pytest.mark.parametrize(("macs", "drawn"), [(200_000_000, True), (2_000_000_000, False)])
def test_a_teacher_far_beyond_is_told_in_words_and_squeezes_nothing(three_budgets, macs, drawn):
    teacher = {
        "id": "teacher",
        "role": "teacher",
        "name": "big",
        "metrics": {"accuracy": 0.97},
        "costs": {"macs": macs},
    }
    three_budgets["references"] = [teacher]
    figure = draw_trained(read_run(three_budgets, ()))
    assert ('<circle class="teacher"' in figure.svg) is drawn
    assert (("teacher", "teacher: 97.0 %, 2 G MACs (beyond)") in figure.legend) is not drawn
    assert max(x for _, x, _ in marks_of(figure.svg)) > 300  # of 428 pixels


def test_each_of_three_budgets_has_charts_of_its_own(three_budgets, outcomes):
    titles = [figure.title for figure in draw_figures(read_run(three_budgets, outcomes))]
    for budget in (1, 2, 3):
        own = [title.removesuffix(f", budget {budget}") for title in titles if title.endswith(f"budget {budget}")]
        assert own == [
            "Trials: score against MACs",
            "Best score so far",
            "Kept channels of each layer",
            "Training of the final nets",
        ]


def test_a_winner_that_is_the_uniform_net_hides_it_nowhere(summary, outcomes):
    """The uniform net's marks are wider and lie below."""
    winner, uniform = summary["students"][:2]
    for key in ("candidate", "widths", "history", "costs", "metrics"):
        winner[key] = uniform[key]
    run = read_run(summary, outcomes)
    trials, curves = draw_trials(run).svg, draw_final_curves(run).svg
    sizes = [re.findall(rf'<circle class="{role}"[^>]*r="([\d.]+)"', trials) for role in ("uniform", "winner")]
    assert float(sizes[0][0]) > float(sizes[1][0])
    for svg in (trials, curves):
        assert svg.index('class="uniform"') < svg.index('class="winner"')


def test_a_teacher_whose_costs_nobody_knows_is_named_and_not_drawn(summary, outcomes):
    marks = len(marks_of(draw_trained(read_run(summary, outcomes)).svg))
    teacher = {"id": "teacher", "role": "teacher", "name": "net.onnx", "metrics": {"accuracy": 0.99}, "costs": {}}
    summary["references"] = [teacher | {"unmeasured": {"macs": "its runtime does not tell"}}]
    figure = draw_trained(read_run(summary, outcomes))
    assert len(marks_of(figure.svg)) == marks
    assert ("teacher", "teacher: 99.0 %, unknown MACs (beyond)") in figure.legend
