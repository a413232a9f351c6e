"""The defects of MetaPruning's official code, each by the number of its description, and that they are not ours.

The code: liuzechun/MetaPruning, as published with Liu et al. 2019.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kdsearch.candidates.repair import draw_for
from kdsearch.candidates.space import Candidate, SearchSpace, Window
from kdsearch.pruningnet.generators import Slim
from kdsearch.records import Trial
from kdsearch.spec.sections import Augmentation, Recipe, StudentOptions, WidthOptions
from kdsearch.strategies.base import Job
from kdsearch.strategies.metapruning import MetaPruning
from kdsearch.training.optim import learning_rate, make_optimizer
from kdsearch.widths.finding import find_widths
from tests.toys import SHAPE, half, make_toy, toy_context, toy_widths

pytestmark = pytest.mark.timeout(30)  # the first trace of a process takes seconds
SMALL = {"epochs": 2, "pretrain_epochs": 1, "batch_size": 24, "calibration_images": 48, "check_genes": 0}


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    ctx = toy_context(tmp_path_factory.mktemp("run"))
    strategy = MetaPruning(MetaPruning.Options(**SMALL, augment=Augmentation(flip=False)))
    strategy.prepare(ctx)
    return ctx, strategy


def logits_of(net: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        return net.eval()(images)


def test_defect_1_the_net_trained_is_the_net_found(scored):
    """evaluating/mobilenet_v1.py decodes a gene shifted by one; here score, costs and build share one decoding."""
    ctx, strategy = scored
    images = ctx.task.calibration(16, seed=1, device=ctx.device)
    for gene in (half(ctx.widths), ctx.uniform[0], ctx.widths.smallest):
        tensors = strategy._tensors(ctx, gene)
        with ctx.widths.applied(gene, tensors):
            searched = logits_of(ctx.net, images)
        built = ctx.widths.build(gene)
        built.load_state_dict(tensors)
        torch.testing.assert_close(logits_of(built, images), searched, rtol=1e-5, atol=1e-5)
        assert sum(value.numel() for value in built.parameters()) == ctx.widths.costs(gene)["parameters"]
        assert built.stem[0].out_channels == gene.values[ctx.widths.groups[0].name]


def test_defect_1_what_is_finished_and_loaded_again_is_that_net_too(scored):
    ctx, strategy = scored
    gene = half(ctx.widths)
    trained = strategy.train(ctx, gene, Job(0)).model
    again = ctx.widths.build(gene)
    again.load_state_dict(trained.state_dict())
    images = ctx.task.calibration(16, seed=1, device=ctx.device)
    assert torch.equal(logits_of(again, images), logits_of(trained, images))


@pytest.mark.parametrize("schedule", ["linear", "cosine", "step", "constant"])
def test_defect_3_the_last_epoch_learns(schedule):
    """Its linear schedule is stepped at an epoch's start: the first is short of the full rate, the last has rate 0."""
    recipe = Recipe(epochs=5, schedule=schedule, learning_rate=0.25)
    rates = [learning_rate(recipe, step, 50, 10) for step in range(50)]
    assert rates[0] == 0.25
    assert min(rates[-10:]) > 0


def test_defect_5_a_score_is_of_the_gene_asked_for_after_recalibration(scored):
    """validate() draws a new random gene each time, and its batch norms hold the statistics of all genes mixed."""
    ctx, strategy = scored
    gene = half(ctx.widths)
    score = strategy.score(ctx, Trial(0, gene))["accuracy"]
    raw = ctx.widths.build(gene)
    for name, value in strategy._generator.weights(gene).items():
        raw.get_parameter(name).data.copy_(value)
    uncalibrated = ctx.task.evaluate(raw, "validation", device=ctx.device)["accuracy"]
    assert score == strategy.score(ctx, Trial(1, gene))["accuracy"]
    assert score > uncalibrated


def test_defect_6_every_matrix_decays_and_no_vector_does():
    """It decays by names: V2's conv2 and conv3, V1's depthwise and ResNet's downsampling convolutions are left out."""
    net = make_toy()
    groups = make_optimizer(Recipe(weight_decay=1e-3), net).param_groups
    decayed = {id(value) for group in groups if group["weight_decay"] for value in group["params"]}
    expected = {name for name, value in net.named_parameters() if value.ndim >= 2}
    assert {name for name, value in net.named_parameters() if id(value) in decayed} == expected
    assert Slim(net, toy_widths(net)).decayed == expected


class Chain(nn.Module):
    """Two blocks; only the second, whose full widths are equal, has a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.first = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)
        self.second, self.head = nn.Conv2d(16, 16, 3, padding=1), nn.Linear(16, 3)

    def forward(self, images: Tensor) -> Tensor:
        features = torch.relu(self.first(torch.relu(self.stem(images))))
        features = features + self.second(features)
        return self.head(features.mean((2, 3)))


def test_defect_7_two_stages_that_happen_to_be_equal_get_no_shortcut():
    """Its final net adds a shortcut wherever the pruned widths are equal, the searched net where the full ones are."""
    net = Chain()
    widths = find_widths(net, SHAPE, WidthOptions(divisor=1))
    gene = Candidate.of({group.name: 5 for group in widths.groups if group.width >= 5})
    assert set(gene.values.values()) == {5}
    built = widths.build(gene)
    assert (built.stem.out_channels, built.first.out_channels) == (5, 5)
    images = torch.rand(4, *SHAPE)
    with torch.no_grad(), widths.applied(gene):
        cropped = net(images)
    torch.testing.assert_close(logits_of(built, images), cropped, rtol=1e-6, atol=1e-6)


def test_defect_8_costs_need_no_net():
    """It builds a net and runs it to count a gene's operations."""
    net = make_toy()
    widths = toy_widths(net)
    calls: list[int] = []
    net.register_forward_hook(lambda *_: calls.append(1))
    assert widths.costs(half(widths))["macs"] < widths.costs(widths.full)["macs"]
    assert calls == []


def test_defect_9_weights_are_generated_once_a_candidate(scored):
    """It generates them for each of 150 batches."""
    ctx, strategy = scored
    count = []

    class Counting(Slim):
        def draft(self, gene: Candidate):
            count.append(gene)
            return super().draft(gene)

    kept, strategy._generator = strategy._generator, Counting(ctx.net, ctx.widths)
    strategy.score(ctx, Trial(0, half(ctx.widths)))
    strategy._generator = kept
    assert len(count) == 1


def test_defect_10_the_same_gene_has_one_score(scored):
    """It recalibrates on random images without a seed."""
    ctx, strategy = scored
    gene = half(ctx.widths)
    first = strategy.score(ctx, Trial(0, gene))
    torch.rand(1000)
    again = MetaPruning(strategy.options)
    again.load(ctx)
    assert first == strategy.score(ctx, Trial(7, gene)) == again.score(ctx, Trial(8, gene))


def test_defect_11_candidates_are_told_apart_by_their_widths():
    """It remembers genes by scale ids, of which several give the same int(width)."""
    widths = find_widths(Chain(), SHAPE, WidthOptions(divisor=1, scales="paper"))
    group = next(group for group in widths.groups if group.width == 8)
    assert len(group.choices) == len({int(8 * (10 + 3 * step) / 100) or 1 for step in range(31)})


def test_defect_14_tight_budgets_are_drawn_for():
    """Of 20,000 uniform draws none met its 43M budget; a tenth of the operations takes one draw here."""
    net = make_toy()
    widths = find_widths(net, SHAPE, WidthOptions(divisor=1))
    full = widths.costs(widths.full)["macs"]
    space, rng = SearchSpace(widths.parameters()), np.random.default_rng(0)
    window = Window("macs", 0.08 * full, 0.1 * full)
    for _ in range(20):
        gene = draw_for(space, widths.costs, (window,), rng)
        assert window.miss(widths.costs(gene)) == 0


def test_defect_15_widths_are_multiples_that_hardware_likes():
    """Its widths, such as 51, 101 and 389, are slow."""
    assert StudentOptions(net="resnet20").divisor == "auto"
    net = nn.Sequential(nn.Conv2d(1, 128, 3), nn.ReLU(), nn.Conv2d(128, 32, 3), nn.Flatten(), nn.Linear(32 * 16, 3))
    for group in find_widths(net, SHAPE, WidthOptions()).groups:
        multiple = 16 if group.width >= 64 else 8
        assert all(width % multiple == 0 for width in group.choices)
