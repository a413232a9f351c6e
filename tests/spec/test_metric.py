"""One metric says how its figures are named, ordered and printed; nobody else spells accuracy."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from kdsearch.spec.metric import ACCURACY, AGREEMENT, ANSWERS_LIKELIHOOD, LIKELIHOOD, Metric

PACKAGE = Path(__file__).parent.parent.parent / "kdsearch"
ERROR = Metric("mean_error", better="lower", label="error", unit="px", times=10, digits=2, points="px", least=0.0)
SPELLED = {ACCURACY.name, ACCURACY.validation, ACCURACY.training, ACCURACY.stderr}
DETAILS_OF_CLASSES = {"rundir/details.py", "report/classes.py", "report/run.py"}
"""The accuracy of each class: a detail of the images of classes, whatever the task's headline figure is."""


def count_spelled(path: Path) -> int:
    """How often a module writes accuracy as a key, an attribute, a field or an argument, docstrings left out."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    words = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    words += [node.attr for node in nodes if isinstance(node, ast.Attribute)]
    words += [node.arg for node in nodes if isinstance(node, ast.keyword) and node.arg]
    words += [node.target.id for node in nodes if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)]
    return sum(word in SPELLED for word in words)


def test_accuracy_is_spelled_by_its_task_and_its_metric_alone():
    found = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if count_spelled(path)}
    assert {name for name in found if not name.startswith(("tasks/", "spec/metric.py"))} == DETAILS_OF_CLASSES


def test_names_in_records_are_made_of_the_metrics_own():
    assert (ERROR.validation, ERROR.training) == ("validation_mean_error", "train_mean_error")
    assert ERROR.stderr == "mean_error_stderr"
    assert (ERROR.words, Metric("mean_error").words) == ("error", "mean error")


def test_higher_merit_is_better_whichever_way_the_figure_goes():
    assert max((0.1, 0.3, 0.2), key=ERROR.merit) == 0.1
    assert max((0.1, 0.3, 0.2), key=ACCURACY.merit) == 0.3


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (ACCURACY.say(0.97345), "97.3 %"),
        (ACCURACY.say(0.97345, 1), "97.34 %"),  # 97.345 lies below its half in binary
        (ACCURACY.say_spread(0.97345, 0.0021), "97.3 ± 0.2 %"),
        (ACCURACY.say_difference(0.0126), "+1.3"),
        (ACCURACY.say_difference(-0.0126), "−1.3"),
        (ACCURACY.say_difference(-0.0004), "+0.0"),
        (ACCURACY.say_tick(0.97), "97 %"),
        (ERROR.say(0.1234), "1.23 px"),
        (ERROR.say_spread(0.1234, 0.05), "1.23 ± 0.50 px"),
        (ERROR.say_difference(-0.1), "−1.00"),
        (Metric("auc").say(0.5), "0.500"),
    ],
)
def test_a_figure_is_printed_in_its_unit(said, text):
    assert said == text


def test_a_summary_gives_the_metric_back():
    assert Metric.of(ERROR.describe()) == ERROR
    assert Metric.of(None) is ACCURACY


def test_of_generated_images_no_word_is_of_test_images():
    assert AGREEMENT.tested == "agreement with the teacher"
    assert AGREEMENT.told == "agreement with the teacher on generated images"
    assert AGREEMENT.on_validation == AGREEMENT
    assert AGREEMENT.validation == "validation_agreement"
    assert ANSWERS_LIKELIHOOD.name == LIKELIHOOD.name
    assert "labels" not in ANSWERS_LIKELIHOOD.words


def test_a_figure_that_is_another_one_on_validation_images_is_named_so_there():
    metric = replace(ACCURACY, searched="agreement", searched_label="agreement with the teacher")
    assert (metric.name, metric.tested, metric.told) == ("accuracy", "test accuracy", "test accuracy")
    assert (metric.validation, metric.training) == ("validation_agreement", "train_agreement")
    assert metric.on_validation.name == "agreement"
    assert metric.on_validation.validation == metric.validation
    assert Metric.of(metric.describe()) == metric
    assert ACCURACY.on_validation is ACCURACY


def test_an_axis_of_the_figure_at_the_end_has_its_unit():
    assert ACCURACY.tested_axis == "test accuracy"
    assert ERROR.tested_axis == "test error, px"
