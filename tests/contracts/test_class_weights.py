"""Whatever trains by labels heeds the weights of the classes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kdsearch.records import Trial
from kdsearch.spec.study_spec import load_spec
from kdsearch.spec.task_sections import TaskOptions
from kdsearch.strategies.base import Job
from kdsearch.tasks.classification import Classification
from tests.toys import CPU, make_task, toy_context

pytestmark = pytest.mark.timeout(30)  # the first trace of a process takes seconds
RECIPE = "epochs: 4, batch_size: 24, learning_rate: 0.1"
TRAINED = {
    "scratch": f"finish={{name: scratch, {RECIPE}}}",
    "kd": f"finish={{name: kd, {RECIPE}, terms: [{{ce: 1.0}}]}}",
}


def weighed(ctx, weights):
    task = make_task()
    options = TaskOptions(dataset="mnist5k", class_weights=weights)
    return replace(ctx, task=Classification(options, task.dataset).without_test())


def share_of_class_2(ctx, net) -> float:
    _, details = ctx.task.examine(net, "validation", device=CPU)
    return sum(row[2] for row in details["confusion"]) / 60


@pytest.mark.parametrize("name", TRAINED)
def test_a_class_that_alone_counts_is_all_that_a_student_learns(tmp_path, name):
    plugin = load_spec("quickstart", (TRAINED[name],)).finish
    strategy = plugin.find()(plugin.options)
    shares = []
    for weights in (None, (1e-4, 1e-4, 1)):
        ctx = weighed(toy_context(tmp_path), weights)
        shares.append(share_of_class_2(ctx, strategy.train(ctx, ctx.widths.full, Job(0)).model))
    assert shares[0] < 0.8
    assert shares[1] == 1.0


def test_a_class_that_alone_counts_is_all_that_generated_weights_know(tmp_path):
    sets = "strategy={name: metapruning, init: scratch, epochs: 4, batch_size: 24, check_genes: 2, learning_rate: 0.1}"
    plugin = load_spec("quickstart", (sets,)).strategy
    ctx = weighed(toy_context(tmp_path), (1e-4, 1e-4, 1))
    strategy = plugin.find()(plugin.options)
    strategy.prepare(ctx)
    scored = strategy.score(ctx, Trial(0, ctx.uniform[0]))
    assert scored["accuracy"] == pytest.approx(1 / 3)  # the share of class 2: every image is taken for it
    assert scored["score"] < -1.5  # and is surely so: of two thirds of the images it is sure and wrong
