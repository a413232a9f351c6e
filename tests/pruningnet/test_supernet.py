"""PruningNet training: resumable to the bit, at the budget, never at a rate of zero."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kdsearch.candidates.repair import draw_for
from kdsearch.errors import KdsearchError, StoreError
from kdsearch.losses.pointwise import cross_entropy, kd_loss
from kdsearch.progress import unwatched
from kdsearch.pruningnet.crop_descent import Descent
from kdsearch.pruningnet.generators import Draft, Slim
from kdsearch.pruningnet.making import make_generator
from kdsearch.pruningnet.supernet import Supernet, train_supernet, training_tensors
from kdsearch.spec.sections import Augmentation, Recipe
from kdsearch.training import loop
from kdsearch.training.loop import Setting
from tests.toys import CPU, SHAPE, bars, half, make_toy, toy_context, toy_widths

pytestmark = pytest.mark.timeout(30)  # the first trace of a process takes seconds
RECIPE = Recipe(epochs=2, batch_size=24, learning_rate=0.05, augment=Augmentation(flip=False))  # 4 steps an epoch


class Stop(Exception):  # noqa: N818
    """What kills a training in these tests."""


class Recorder(Slim):
    """Slim, remembering the genes and the steps it was given."""

    def __init__(self, net, widths) -> None:
        super().__init__(net, widths)
        self.genes: list = []
        self.descents: list[Descent] = []

    def update(self, draft: Draft, descent: Descent) -> None:
        self.genes.append(draft.gene)
        self.descents.append(descent)
        super().update(draft, descent)


def train(ctx, generator, *, checkpoint=None, watch=unwatched, recipe=RECIPE, distill=False, seed=0):
    def draw(rng: np.random.Generator):
        genes = [draw_for(ctx.space, ctx.widths.costs, ctx.budgets[0], rng)]
        return [ctx.widths.full, *genes] if distill else genes

    supernet = Supernet(ctx.net, ctx.widths, generator, distill=distill)
    return train_supernet(supernet, ctx.task, recipe, draw, Setting(seed, CPU, checkpoint, watch))


def save_and_tell_always(monkeypatch) -> None:
    for seconds in ("_SAVE_SECONDS", "_EPOCH_SAVE_SECONDS", "_WATCH_SECONDS"):
        monkeypatch.setattr(loop, seconds, 0.0)


def interrupted_at(step: int):
    def watch(progress) -> None:
        if progress.step == step:
            raise Stop

    return watch


@pytest.mark.parametrize("name", ["slim", "condnorm", "lowrank", "paper"])
def test_killed_and_resumed_ends_in_the_same_bits(tmp_path, monkeypatch, name):
    save_and_tell_always(monkeypatch)
    ctx = toy_context(tmp_path)
    whole, cut = (make_generator(name, ctx.net, ctx.widths, hidden=4) for _ in range(2))
    history = train(ctx, whole)
    for step in (2, 6):
        with pytest.raises(Stop):
            train(ctx, cut, checkpoint=tmp_path / "c.pt", watch=interrupted_at(step))
        cut = make_generator(name, ctx.net, ctx.widths, hidden=4)
    resumed = train(ctx, cut, checkpoint=tmp_path / "c.pt")
    for key, value in whole.state().items():
        assert torch.equal(value, cut.state()[key]), key
    assert [(row["epoch"], row["loss"]) for row in resumed] == [(row["epoch"], row["loss"]) for row in history]


def test_defect_4_resume_repeats_no_epoch_and_takes_up_the_momentum(tmp_path, monkeypatch):
    """Official code: saves the epoch without adding one, saves the optimiser and never loads it."""
    save_and_tell_always(monkeypatch)
    ctx = toy_context(tmp_path)
    whole, first, second = (Recorder(ctx.net, ctx.widths) for _ in range(3))
    train(ctx, whole)
    with pytest.raises(Stop):
        train(ctx, first, checkpoint=tmp_path / "c.pt", watch=interrupted_at(5))
    steps = []
    train(ctx, second, checkpoint=tmp_path / "c.pt", watch=lambda progress: steps.append(progress.step))
    assert steps == [5, 6, 7, 8, 8]  # the checkpoint after step 4 was the last; an epoch's end is told once more
    assert first.genes[:4] + second.genes == whole.genes
    assert max(float(value.abs().max()) for value in second.momentum.values()) > 0
    assert all(torch.equal(value, second.momentum[key]) for key, value in whole.momentum.items())


def test_a_finished_training_is_not_repeated(tmp_path):
    ctx = toy_context(tmp_path)
    first, second = (Recorder(ctx.net, ctx.widths) for _ in range(2))
    history = train(ctx, first, checkpoint=tmp_path / "c.pt")
    assert train(ctx, second, checkpoint=tmp_path / "c.pt") == history
    assert second.genes == []


def test_the_genes_of_a_step_depend_on_the_seed_and_the_step_alone(tmp_path):
    ctx = toy_context(tmp_path)
    short, long, other = (Recorder(ctx.net, ctx.widths) for _ in range(3))
    train(ctx, short, recipe=RECIPE.model_copy(update={"epochs": 1, "batch_size": 32}))
    torch.rand(100)
    np.random.default_rng().random()
    train(ctx, long)
    train(ctx, other, seed=1)
    assert short.genes == long.genes[: len(short.genes)]
    assert other.genes != long.genes


def test_every_gene_is_at_the_budget(tmp_path):
    ctx = toy_context(tmp_path)
    generator = Recorder(ctx.net, ctx.widths)
    train(ctx, generator)
    assert len(set(generator.genes)) > 4
    (window,) = ctx.budgets[0]
    for gene in generator.genes:
        assert window.low <= ctx.widths.costs(gene)["macs"] <= window.high


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_defect_3_no_step_has_a_rate_of_zero(tmp_path, schedule):
    """Official code: the schedule is stepped at each epoch's start, so the last epoch trains at 0."""
    ctx = toy_context(tmp_path)
    generator = Recorder(ctx.net, ctx.widths)
    train(ctx, generator, recipe=RECIPE.model_copy(update={"schedule": schedule}))
    rates = [descent.learning_rate for descent in generator.descents]
    assert rates[0] == RECIPE.learning_rate
    assert min(rates) == rates[-1] > 0


def test_training_lowers_the_loss_and_leaves_the_net_alone(tmp_path):
    ctx = toy_context(tmp_path)
    before = {name: value.clone() for name, value in ctx.net.state_dict().items()}
    history = train(ctx, Slim(ctx.net, ctx.widths), recipe=RECIPE.model_copy(update={"epochs": 6}))
    assert [row["epoch"] for row in history] == [1, 2, 3, 4, 5, 6]
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]
    for name, value in ctx.net.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_it_learns_from_mixed_images_too(tmp_path):
    ctx = toy_context(tmp_path)
    recipe = RECIPE.model_copy(update={"epochs": 4, "augment": Augmentation(flip=False, mixup=0.2, cutmix=0.2)})
    losses = [
        record["loss"] for record in train(ctx, make_generator("slim", ctx.net, ctx.widths, hidden=4), recipe=recipe)
    ]
    assert losses[-1] < losses[0]


def test_the_first_gene_teaches_the_others():
    net = make_toy(trained=True)
    net.dropout.p = 0.0
    widths = toy_widths(net)
    generator = Slim(net.train(), widths)
    genes = [widths.full, half(widths)]
    images, labels = bars(24, 5).images_NCHW.float() / 255, bars(24, 5).labels_N
    drafts = [generator.draft(gene) for gene in genes]
    taught_BC = None
    for gene, draft in zip(genes, drafts, strict=True):
        with widths.applied(gene, training_tensors(net, widths, gene, draft.tensors)):
            logits_BC = net(images)
        loss = cross_entropy(logits_BC, labels, 0.1) if taught_BC is None else kd_loss(logits_BC, taught_BC)
        taught_BC = logits_BC.detach() if taught_BC is None else taught_BC
        loss.backward()
    found: list[Draft] = []

    class Kept(Slim):
        def update(self, draft: Draft, descent: Descent) -> None:  # noqa: ARG002
            found.append(draft)

    loss = Supernet(net, widths, Kept(net, widths), distill=True).step(images, labels, genes, Descent(0.1), 0.1)
    for draft, expected in zip(found, drafts, strict=True):
        for name, leaf in draft.leaves.items():
            torch.testing.assert_close(leaf.grad, expected.leaves[name].grad, msg=name)
    assert loss == pytest.approx(cross_entropy(net_logits(net, widths, images), labels, 0.1).item(), abs=1e-6)


def net_logits(net, widths, images):
    with torch.no_grad(), widths.applied(widths.full, training_tensors(net, widths, widths.full, {})):
        return net(images)


def test_batch_norm_uses_the_batch_and_other_buffers_are_cropped():
    net = make_toy(trained=True)
    net.register_buffer("scale", torch.arange(8.0).view(1, 8, 1, 1))
    forward = net.stem.forward
    net.stem.forward = lambda images: forward(images) * net.scale
    widths = toy_widths(net)
    gene = widths.smallest
    tensors = training_tensors(net, widths, gene, {})
    assert tensors["stem.1.running_mean"] is None
    assert tensors["scale"].shape == (1, 2, 1, 1)


def test_a_loss_that_is_no_number_is_one_line(tmp_path):
    ctx = toy_context(tmp_path)
    with pytest.raises(KdsearchError, match=r"training PruningNet: the loss became (nan|inf) in epoch 1; lower learn"):
        train(ctx, Slim(ctx.net, ctx.widths), recipe=RECIPE.model_copy(update={"learning_rate": 1e20}))


def test_the_checkpoint_of_another_pruningnet_is_refused(tmp_path):
    ctx = toy_context(tmp_path)
    checkpoint = tmp_path / "c.pt"
    train(ctx, make_generator("condnorm", ctx.net, ctx.widths, hidden=4), checkpoint=checkpoint)
    for other in (
        make_generator("slim", ctx.net, ctx.widths),
        make_generator("condnorm", ctx.net, ctx.widths, hidden=5),
    ):
        with pytest.raises(
            StoreError, match=r"c.pt: is the checkpoint of another training \(other generator\); delete"
        ):
            train(ctx, other, checkpoint=checkpoint)
    with pytest.raises(StoreError, match=r"\(teaching of genes False there, True here, other genes\)"):
        train(ctx, make_generator("condnorm", ctx.net, ctx.widths, hidden=4), checkpoint=checkpoint, distill=True)


def test_the_checkpoint_of_genes_at_another_budget_is_refused(tmp_path):
    near, far = (toy_context(tmp_path, share=share) for share in (0.5, 0.3))
    train(near, make_generator("slim", near.net, near.widths), checkpoint=tmp_path / "c.pt")
    with pytest.raises(StoreError, match=r"\(other genes\)"):
        train(far, make_generator("slim", far.net, far.widths), checkpoint=tmp_path / "c.pt")


def test_the_recipes_precision_is_that_of_the_forward():
    net = make_toy()
    widths = toy_widths(net)
    kinds = []
    net.classifier.register_forward_hook(lambda _module, _given, logits_BC: kinds.append(logits_BC.dtype))
    for precision in ("bf16", "fp32"):
        supernet = Supernet(net, widths, Slim(net, widths), distill=False, precision=precision)
        supernet.step(torch.rand(4, *SHAPE), torch.arange(4) % 3, [widths.full], Descent(0.01), 0.0)
    assert kinds == [torch.bfloat16, torch.float32]
