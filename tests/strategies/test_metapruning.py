"""MetaPruning on a toy: what it draws, what it scores, what it hands on."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from kdsearch.candidates.space import Window
from kdsearch.errors import StoreError
from kdsearch.pruningnet.generators import Slim
from kdsearch.records import Trial
from kdsearch.spec.sections import Augmentation, WidthOptions
from kdsearch.strategies.base import Job
from kdsearch.strategies.metapruning import MetaPruning
from kdsearch.study.control import uniform_gene
from kdsearch.weights import load_weights
from kdsearch.widths.finding import find_widths
from tests.toys import half, toy_context

pytestmark = pytest.mark.timeout(30)  # the first trace of a process takes seconds
FLAT = Augmentation(flip=False)


def make(**changes) -> MetaPruning:
    small = {"epochs": 4, "pretrain_epochs": 2, "batch_size": 24, "calibration_images": 48, "check_genes": 3}
    return MetaPruning(MetaPruning.Options(**{**small, "augment": FLAT, **changes}))


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    ctx = toy_context(tmp_path_factory.mktemp("run"))
    strategy = make()
    return ctx, strategy, strategy.prepare(ctx)


def test_ranking_by_the_metric_is_read_from_older_studies_too():
    assert make(ranked_by="accuracy").options == make(ranked_by="metric").options
    assert make(ranked_by="metric").options.score_metric is None


def test_preparing_reports_history_and_a_check_of_the_scores(ready):
    ctx, _, figures = ready
    assert [row["epoch"] for row in figures["history"]] == [1, 2, 3, 4]
    (row,) = figures["check"]["budgets"]
    assert len(row["random_scores"]) == 3
    assert 0 < row["stderr"] < 0.2
    assert row["ranked_by"] == "likelihood"
    assert row["uniform_score"] < 0 < row["uniform_accuracy"] <= 1
    assert all(score < 0 for score in row["random_scores"])
    assert json.loads(json.dumps(figures))
    assert {path.name for path in ctx.paths.prepared.iterdir()} == {"pruningnet.json", "pruningnet.safetensors"}
    stored = load_weights(ctx.paths.prepared / "pruningnet.safetensors")
    assert stored.keys() == {f"full.{name}" for name, _ in ctx.net.named_parameters()}  # no momentum: nothing trains on


def test_a_score_is_the_accuracy_of_the_inherited_net(ready):
    """The compact net with the generated weights, by its own forward, answers as the cropped one did."""
    ctx, strategy, _ = ready
    for gene in (half(ctx.widths), ctx.uniform[0]):
        tensors = strategy._tensors(ctx, gene)
        inherited = ctx.widths.build(gene)
        held = dict(inherited.named_parameters()) | dict(inherited.named_buffers())
        with torch.no_grad():
            for name, value in tensors.items():
                held[name].copy_(value)
        measured = ctx.task.evaluate(inherited, "validation", device=ctx.device)["accuracy"]
        assert strategy.score(ctx, Trial(0, gene))["accuracy"] == pytest.approx(measured)


def test_weights_are_generated_once_a_candidate(ready):
    ctx, strategy, _ = ready
    calls = []

    class Counting(Slim):
        def weights(self, gene):
            calls.append(gene)
            return super().weights(gene)

    kept, strategy._generator = strategy._generator, Counting(ctx.net, ctx.widths)
    try:
        strategy.score(ctx, Trial(0, half(ctx.widths)))
    finally:
        strategy._generator = kept
    assert calls == [half(ctx.widths)]


def test_the_bar_counts_only_with_racing(ready):
    ctx, strategy, _ = ready
    trial = Trial(0, ctx.uniform[0], bar=2.0)
    assert strategy.score(ctx, trial) == strategy.score(ctx, replace(trial, bar=None))
    racing = make(racing=True)
    racing.load(ctx)
    assert racing.score(ctx, replace(trial, bar=None)) == strategy.score(ctx, trial)
    assert racing.score(ctx, replace(trial, bar=0.0))["dropped"] == 0


def test_training_goes_on_from_the_generated_weights(ready):
    ctx, strategy, _ = ready
    gene = half(ctx.widths)
    still = make(learning_rate=1e-12, epochs=1)
    trained = still.train(ctx, gene, Job(0, start=strategy.start(ctx, gene))).model
    expected = strategy._tensors(ctx, gene)
    for name, value in trained.named_parameters():
        torch.testing.assert_close(value.detach(), expected[name], rtol=0, atol=1e-9)


def test_what_finish_says_of_the_generator_gives_way_to_what_was_trained(ready):
    ctx, strategy, _ = ready
    other = make(generator="slim", hidden=3)
    other.load(ctx)
    assert other.score(ctx, Trial(0, half(ctx.widths))) == strategy.score(ctx, Trial(0, half(ctx.widths)))


def test_sandwich_draws_the_largest_the_tightest_uniform_and_random_genes(tmp_path):
    ctx = toy_context(tmp_path)
    full = ctx.widths.costs(ctx.widths.full)["macs"]
    budgets = tuple((Window("macs", 0.8 * share * full, share * full),) for share in (0.25, 0.75))
    ctx = replace(ctx, budgets=budgets, uniform=tuple(uniform_gene(ctx.widths, windows) for windows in budgets))
    drawn = make(sampling="sandwich", random_genes=3)._draw(ctx, np.random.default_rng(0))
    assert list(drawn[:2]) == [ctx.widths.full, ctx.uniform[0]]
    assert len(drawn) == 5
    plain = make(sampling="sandwich", draws="uniform")._draw(ctx, np.random.default_rng(0))
    assert list(plain[:2]) == [ctx.widths.full, ctx.widths.smallest]


def test_uniform_draws_are_uniform_over_the_papers_scales(tmp_path):
    net = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 3))
    ctx = replace(toy_context(tmp_path), widths=find_widths(net, (1, 8, 8), WidthOptions()))
    assert [group.choices for group in ctx.widths.groups] == [(8, 16)]
    strategy, rng = make(draws="uniform"), np.random.default_rng(0)
    wide = sum(16 in strategy._draw(ctx, rng)[0].values.values() for _ in range(2000))
    # int(16 s) is 12 or more, which rounds up to 16, for the nine scales 0.76, 0.79 .. 1.00 of 31
    assert wide / 2000 == pytest.approx(9 / 31, abs=0.035)


def test_several_budgets_are_all_drawn_from(tmp_path):
    ctx = toy_context(tmp_path)
    full = ctx.widths.costs(ctx.widths.full)["macs"]
    ctx = replace(ctx, budgets=tuple((Window("macs", 0.8 * s * full, s * full),) for s in (0.3, 0.8)))
    rng = np.random.default_rng(0)
    macs = [ctx.widths.costs(make()._draw(ctx, rng)[0])["macs"] / full for _ in range(20)]
    assert 3 < sum(share <= 0.3 for share in macs) < 17
    assert all(share <= 0.3 or 0.64 <= share <= 0.8 for share in macs)


def test_calibration_smaller_than_a_batch_is_refused():
    with pytest.raises(
        ValidationError, match=r"calibration_images \(10\) must be at least a batch of calibration \(24\)"
    ):
        make(calibration_images=10)
    assert make(calibration_images=128, batch_size=256).options.batch_size == 256  # calibrated in batches of 128


@pytest.mark.parametrize(("images", "sizes"), [(24, [24]), (48, [24, 24]), (49, [25, 24]), (70, [35, 35])])
def test_calibration_images_come_in_even_batches_and_all_of_them(tmp_path, images, sizes):
    batches = make(calibration_images=images)._calibration_batches(toy_context(tmp_path))
    assert [len(batch) for batch in batches] == sizes


def test_a_run_without_a_pruningnet_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"pruningnet\.safetensors is missing"):
        make().load(toy_context(tmp_path))


@pytest.mark.parametrize("file", ["pruningnet.json", "pruningnet.safetensors"])
def test_damaged_files_are_one_line(tmp_path, file):
    ctx = toy_context(tmp_path)
    make(init="scratch", epochs=1, check_genes=0).prepare(ctx)
    (ctx.paths.prepared / file).write_bytes(b"{torn")
    with pytest.raises(StoreError, match=rf"{file}: cannot be read .* delete it and resume"):
        make().load(ctx)
