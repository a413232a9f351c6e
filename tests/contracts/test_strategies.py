"""What every strategy must do, whatever its method."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from kdsearch import registry
from kdsearch.errors import SpecError
from kdsearch.records import SCORE, Trial
from kdsearch.spec.sections import Augmentation
from kdsearch.strategies.base import Job, Strategy
from tests.toys import half, toy_context

PACKAGE = "kdsearch.strategies"
NAMES = registry.available(PACKAGE)
SMALL = {
    "epochs": 8,
    "pretrain_epochs": 4,
    "batch_size": 24,
    "calibration_images": 48,
    "check_genes": 2,
    "augment": Augmentation(flip=False),
    "rounds": 6,
    "student_steps": 4,
    "synthesis": {"width": 4, "noise": 8, "batch_size": 32, "bank": 300, "probe": 48, "test": 48},
}
pytestmark = [pytest.mark.timeout(30), pytest.mark.parametrize("name", NAMES)]


def make_strategy(name: str) -> Strategy:
    """The strategy with its own defaults, shortened where it has such options."""
    kind = registry.find(PACKAGE, name)
    return kind(kind.Options(**{key: value for key, value in SMALL.items() if key in kind.Options.model_fields}))


def prepared(name: str, folder):
    ctx, strategy = toy_context(folder), make_strategy(name)
    strategy.prepare(ctx)
    return ctx, strategy


def test_same_seed_same_score_in_every_process_that_loads(name, tmp_path):
    ctx, first = prepared(name, tmp_path)
    again = toy_context(tmp_path)
    second = make_strategy(name)
    second.load(again)
    trial = Trial(0, ctx.uniform[0])
    torch.rand(10)
    scores = [first.score(ctx, trial), first.score(ctx, trial), second.score(again, trial)]
    assert scores[0] == scores[1] == scores[2]
    assert scores[0]["accuracy"] > 1 / ctx.task.num_classes
    assert (SCORE in scores[0]) is (first.options.score_metric is not None)


def test_train_gives_a_plain_compact_net_of_the_genes_widths(name, tmp_path):
    ctx, strategy = prepared(name, tmp_path)
    gene = half(ctx.widths)
    trained = strategy.train(ctx, gene, Job(0))
    shapes = {key: value.shape for key, value in trained.model.state_dict().items()}
    assert shapes == {key: value.shape for key, value in ctx.widths.build(gene).state_dict().items()}
    assert trained.model(torch.zeros(2, *ctx.task.image_shape)).shape == (2, 3)
    assert isinstance(trained.model, nn.Module)
    assert ctx.task.evaluate(trained.model, "validation", device=ctx.device)["accuracy"] > 1 / ctx.task.num_classes
    assert trained.history


def test_same_seed_same_student_whatever_ran_before(name, tmp_path):
    """Preparing in this process, or finding what another one prepared, must not show in a student."""
    ctx, first = prepared(name, tmp_path)
    again, second = toy_context(tmp_path), make_strategy(name)
    torch.rand(10)
    second.load(again)
    gene = half(ctx.widths)
    students = [s.train(c, gene, Job(5)).model.state_dict() for s, c in ((first, ctx), (second, again))]
    other = first.train(ctx, gene, Job(6)).model.state_dict()
    assert all(torch.equal(value, students[1][key]) for key, value in students[0].items())
    assert not all(torch.equal(value, other[key]) for key, value in students[0].items())


def test_frozen_filters_reach_the_student_as_they_were_given(name, tmp_path):
    """Perhaps in another order: each of its filters is one of the net's, to the bit."""
    ctx, strategy = toy_context(tmp_path), make_strategy(name)
    frozen = ("stem.0.weight", "depthwise.0.weight")
    for key in frozen:
        ctx.net.get_parameter(key).requires_grad_(False)
    strategy.prepare(ctx)
    trained = strategy.train(ctx, half(ctx.widths), Job(0)).model
    for key in frozen:
        given = {filter_.numpy().tobytes() for filter_ in ctx.net.get_parameter(key).detach()}
        kept = [filter_.numpy().tobytes() for filter_ in trained.get_parameter(key).detach()]
        assert len(given & set(kept)) == len(kept) < len(given)
    assert trained.stem[1].weight.requires_grad
    assert not torch.equal(trained.stem[1].weight, ctx.widths.build(half(ctx.widths)).stem[1].weight)


def test_it_leaves_the_net_as_it_was(name, tmp_path):
    ctx = toy_context(tmp_path)
    before = {key: value.clone() for key, value in ctx.net.state_dict().items()}
    strategy = make_strategy(name)
    strategy.prepare(ctx)
    strategy.score(ctx, Trial(0, ctx.uniform[0]))
    strategy.train(ctx, half(ctx.widths), Job(0))
    assert all(torch.equal(value, before[key]) for key, value in ctx.net.state_dict().items())


def test_it_forecasts_its_time(name, tmp_path):
    seconds = make_strategy(name).rehearse(toy_context(tmp_path), 1)
    assert seconds.keys() == {"prepare", "score"}
    assert seconds["prepare"] >= 0
    assert seconds["score"] > 0


def test_its_options_are_read_without_torch(name):
    program = f"""
import sys
from kdsearch import registry
from kdsearch.errors import SpecError
kind = registry.find("{PACKAGE}", "{name}")
assert kind.Options().model_dump_json()
assert "torch" not in sys.modules, "reading the options imports torch"
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)


def test_it_goes_on_from_the_weights_that_it_is_handed_or_says_that_it_takes_none(name, tmp_path):
    ctx, strategy = prepared(name, tmp_path)
    gene = half(ctx.widths)
    start = ctx.widths.build(gene)
    torch.nn.init.constant_(start.classifier.weight, 0.5)
    given = {key: value.clone() for key, value in start.named_parameters()}
    strategy.options = strategy.options.model_copy(update={"learning_rate": 1e-9, "warmup_epochs": 0, "epochs": 1})
    trained = strategy.train(ctx, gene, Job(0, start=start)).model
    moved = max(float((value - given[key]).detach().abs().max()) for key, value in trained.named_parameters())
    assert (moved < 1e-5) == strategy.takes_start


def test_what_it_has_for_a_candidate_is_what_the_search_scored(name, tmp_path):
    """Or it says that it has nothing."""
    ctx, strategy = prepared(name, tmp_path)
    gene = half(ctx.widths)
    if not strategy.gives_start:
        with pytest.raises(SpecError, match="leaves no weights to start from"):
            strategy.start(ctx, gene)
        return
    started = strategy.start(ctx, gene)
    reached = ctx.task.evaluate(started, "validation", device=ctx.device)["accuracy"]
    assert reached == pytest.approx(strategy.score(ctx, Trial(0, gene))["accuracy"], abs=1e-6)
    assert reached > 1 / ctx.task.num_classes
