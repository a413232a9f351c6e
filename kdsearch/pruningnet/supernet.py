"""Training of a PruningNet: every step draws genes, generates their weights and improves what generated them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from torch import Tensor, nn

from kdsearch.losses.pointwise import cross_entropy, kd_loss
from kdsearch.measures.layout import sliced_strides
from kdsearch.pruningnet.crop_descent import Descent
from kdsearch.pruningnet.generators import Generator
from kdsearch.training.identity import digest_of
from kdsearch.training.learner import Learner, Moment, autocast
from kdsearch.training.loop import History, Setting, fit
from kdsearch.training.optim import learning_rate
from kdsearch.training.rehearsal import epoch_seconds, images_an_epoch, short_recipe

if TYPE_CHECKING:
    from kdsearch.candidates.space import Candidate
    from kdsearch.spec.sections import Precision, Recipe
    from kdsearch.tasks.base import Task
    from kdsearch.widths.space import WidthSpace

_DRAWS_TOLD = 4  # how many steps' genes identify the way of drawing them

LabelLoss = Callable[[Tensor, Tensor, float], Tensor]
DrawGenes = Callable[[np.random.Generator], Sequence["Candidate"]]


@dataclass(frozen=True, slots=True)
class Supernet:
    """A net, its widths and the generator of its weights: what a training step works on.

    ``distill``: the first gene of a step teaches the others (in-place distillation, US-Nets, Yu and Huang 2019);
    else each learns from the labels. ``precision``: of the forward, as in a recipe. Unlike in US-Nets, which add the
    gradients of a step's genes up, every gene makes its own update: an update costs what its crop has weights, and the
    sum would have to be kept and walked at full width. ``label_loss``: of logits, labels and their smoothing;
    ``imitation_loss``: of logits and those that a distilled gene is to imitate.
    """

    net: nn.Module
    widths: WidthSpace
    generator: Generator
    distill: bool
    precision: Precision = "auto"
    label_loss: LabelLoss = cross_entropy
    imitation_loss: Callable[[Tensor, Tensor], Tensor] = kd_loss

    def step(
        self, image_BCHW: Tensor, labels: Tensor, genes: Sequence[Candidate], descent: Descent, smoothing: float
    ) -> float:
        """The loss on the labels of the step's first gene; every gene makes its own update.

        ``labels``: classes (B), or targets (BC) of mixed images.
        """
        taught_BC: Tensor | None = None
        first = 0.0
        for position, gene in enumerate(genes):
            draft = self.generator.draft(gene)
            tensors = training_tensors(self.net, self.widths, gene, draft.tensors)
            with self.widths.applied(gene, tensors), sliced_strides(self.net):
                with autocast(self.precision, image_BCHW.device):
                    logits_BC = self.net(image_BCHW)
                if position and self.distill and taught_BC is not None:
                    loss = self.imitation_loss(logits_BC, taught_BC)
                else:
                    loss = self.label_loss(logits_BC, labels, smoothing)
                    taught_BC = logits_BC.detach() if taught_BC is None else taught_BC
                loss.backward()  # inside the block: activations that are recomputed must find the same weights
            self.generator.update(draft, descent)
            first = float(loss.detach()) if position == 0 else first
        return first


def training_tensors(
    net: nn.Module, widths: WidthSpace, gene: Candidate, weights: Mapping[str, Tensor]
) -> dict[str, Tensor | None]:
    """The generated weights, other buffers cropped, and no running statistics.

    Batch norm then uses the batch and updates nothing.
    """
    buffers = dict(net.named_buffers())
    fixed = {name: value for name, value in buffers.items() if not _is_running(name)}
    return dict(weights) | dict.fromkeys(buffers.keys() - fixed.keys()) | widths.crop(gene, fixed)


def _is_running(name: str) -> bool:
    return name.rsplit(".", 1)[-1] in ("running_mean", "running_var", "num_batches_tracked")


class SupernetLearner(Learner):
    """Trains what generates the weights of a net's genes.

    Genes, order and augmentation of a step depend on the seed and the step alone. ``draw``: the genes of a step.
    """

    stream: ClassVar[int] = 5

    def __init__(self, supernet: Supernet, task: Task, recipe: Recipe, draw: DrawGenes, setting: Setting) -> None:
        self.recipe, self.data = recipe, task.digest
        self.batches = task.train_batches(recipe, setting.seed, setting.device)
        self._supernet, self._draw, self._seed = supernet, draw, setting.seed
        self._rate = 0.0
        self._losses: list[float] = []

    @contextmanager
    def training(self) -> Iterator[None]:
        self._supernet.net.train()
        yield

    def step(self, batch: tuple[Any, ...], moment: Moment) -> None:
        image_BCHW, labels = batch
        recipe = self.recipe
        self._rate = learning_rate(recipe, moment.step, moment.steps, moment.steps_per_epoch)
        descent = Descent(self._rate, recipe.momentum, recipe.weight_decay, recipe.clip_norm)
        genes = self._draw_genes(moment.step)
        self._losses.append(self._supernet.step(image_BCHW, labels, genes, descent, recipe.label_smoothing))

    def _draw_genes(self, step: int) -> Sequence[Candidate]:
        return self._draw(np.random.default_rng((self._seed, 7, step)))

    def figures(self) -> Mapping[str, float]:
        return {"loss": float(np.mean(self._losses)), "learning_rate": self._rate}

    def close_epoch(self) -> Mapping[str, float]:
        found = self.figures()
        self._losses = []
        return found

    def state(self) -> dict[str, Any]:
        generated = {name: value.detach() for name, value in self._supernet.generator.state().items()}
        return {"generator": generated, "losses": self._losses, "rate": self._rate}

    def load(self, state: Mapping[str, Any]) -> None:
        self._supernet.generator.load(state["generator"])
        self._losses, self._rate = state["losses"], state["rate"]

    def identity(self) -> Mapping[str, str]:
        """The generator's form, and the first genes that are drawn, which tell budgets and samplings apart."""
        generator = self._supernet.generator
        shapes = sorted((name, tuple(value.shape)) for name, value in generator.values().items())
        genes = [gene.pairs for step in range(_DRAWS_TOLD) for gene in self._draw_genes(step)]
        form = f"{type(generator).__name__} {digest_of(shapes)}"
        return {"generator": form, "teaching of genes": str(self._supernet.distill), "genes": digest_of(genes)}


def train_supernet(supernet: Supernet, task: Task, recipe: Recipe, draw: DrawGenes, setting: Setting) -> History:
    """One record an epoch: epoch, loss (of each step's first gene), learning_rate, seconds; as ``fit`` says."""
    learner = SupernetLearner(supernet, task, recipe, draw, setting)
    return fit(learner, replace(setting, phase="prepare", note="PruningNet"))


def supernet_seconds(supernet: Supernet, task: Task, recipe: Recipe, draw: DrawGenes, count: int) -> float:
    """Forecast of the seconds of one epoch of PruningNet training; the generator is changed by it."""
    device = next(supernet.net.parameters()).device
    learner = SupernetLearner(supernet, task, short_recipe(recipe, task.image_shape), draw, Setting(0, device))
    return epoch_seconds(learner, images_an_epoch(task, recipe), device, count)
