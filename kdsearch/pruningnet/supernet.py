"""Training of a PruningNet: every step draws genes, generates their weights and improves what generated them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor, nn

from kdsearch.data.seeds import mix_seed, seeded
from kdsearch.errors import KdsearchError, StoreError
from kdsearch.losses.pointwise import cross_entropy, kd_loss
from kdsearch.measures.layout import sliced_strides
from kdsearch.progress import Progress
from kdsearch.pruningnet.crop_descent import Descent
from kdsearch.pruningnet.generators import Generator
from kdsearch.training.checkpoint import load_checkpoint, save_checkpoint
from kdsearch.training.loop import Setting, autocast
from kdsearch.training.optim import learning_rate

if TYPE_CHECKING:
    from kdsearch.candidates.space import Candidate
    from kdsearch.spec.sections import Precision, Recipe
    from kdsearch.tasks.base import Task
    from kdsearch.widths.space import WidthSpace

log = logging.getLogger(__name__)

_SECONDS_BETWEEN_CHECKPOINTS = 20.0

LabelLoss = Callable[[Tensor, Tensor, float], Tensor]
DrawGenes = Callable[[np.random.Generator], Sequence["Candidate"]]


@dataclass(frozen=True, slots=True)
class Supernet:
    """A net, its widths and the generator of its weights: what a training step works on.

    ``distill``: the first gene of a step teaches the others (in-place distillation, US-Nets, Yu and Huang 2019);
    else each learns from the labels. ``precision``: of the forward, as in a recipe. Unlike in US-Nets, which add the
    gradients of a step's genes up, every gene makes its own update: an update costs what its crop has weights, and the
    sum would have to be kept and walked at full width. ``label_loss``: of logits, labels and their smoothing.
    """

    net: nn.Module
    widths: WidthSpace
    generator: Generator
    distill: bool
    precision: Precision = "auto"
    label_loss: LabelLoss = cross_entropy

    def step(
        self, image_BCHW: Tensor, labels: Tensor, genes: Sequence[Candidate], descent: Descent, smoothing: float
    ) -> float:
        """The cross-entropy, in nats, of the step's first gene; every gene makes its own update.

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
                    loss = kd_loss(logits_BC, taught_BC, 1.0)
                else:
                    loss = self.label_loss(logits_BC, labels, smoothing)
                    taught_BC = logits_BC.detach() if taught_BC is None else taught_BC
                loss.backward()  # in here: what is computed anew for it must meet the same weights
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


def train_supernet(
    supernet: Supernet, task: Task, recipe: Recipe, draw: DrawGenes, setting: Setting
) -> list[dict[str, float]]:
    """One record an epoch: epoch, loss (of each step's first gene), seconds.

    Genes, order and augmentation of a step depend on the seed and the step alone, so a killed training that resumes
    from the setting's checkpoint ends in the same bits.

    Raises:
        KdsearchError: the loss is not finite.
    """
    training = _Training(supernet, task, recipe, draw, setting)
    training.restore()
    supernet.net.train()
    while training.epoch < recipe.epochs:
        training.run_epoch()
    training.save()
    return training.history


class _Training:
    """The state of one PruningNet training."""

    def __init__(self, supernet: Supernet, task: Task, recipe: Recipe, draw: DrawGenes, setting: Setting) -> None:
        self.supernet, self.recipe, self.draw, self.setting = supernet, recipe, draw, setting
        self.batches = task.train_batches(recipe, setting.seed, setting.device)
        self.total = len(self.batches) * recipe.epochs
        self.step = 0
        self.losses: list[float] = []
        self.seconds = 0.0
        self.history: list[dict[str, float]] = []
        self.saved = time.monotonic()

    @property
    def epoch(self) -> int:
        return self.step // len(self.batches)

    def run_epoch(self) -> None:
        """The rest of the epoch under way."""
        epoch, began, before = self.epoch, time.monotonic(), self.seconds
        for image_BCHW, labels in self.batches.epoch(epoch, self.step - epoch * len(self.batches)):
            self._take_step(image_BCHW, labels)
            self.seconds = before + time.monotonic() - began
            if time.monotonic() - self.saved > _SECONDS_BETWEEN_CHECKPOINTS:
                self.save()
        self.history.append({"epoch": epoch + 1, "loss": float(np.mean(self.losses)), "seconds": self.seconds})
        self.losses, self.seconds = [], 0.0

    def _take_step(self, image_BCHW: Tensor, labels: Tensor) -> None:
        recipe = self.recipe
        rate = learning_rate(recipe, self.step, self.total, len(self.batches))
        descent = Descent(rate, recipe.momentum, recipe.weight_decay, recipe.clip_norm)
        with seeded(mix_seed(self.setting.seed, self.step, 5), image_BCHW.device):
            genes = self.draw(np.random.default_rng((self.setting.seed, 7, self.step)))
            loss = self.supernet.step(image_BCHW, labels, genes, descent, recipe.label_smoothing)
        if not np.isfinite(loss):
            raise KdsearchError(f"the PruningNet's loss is {loss} at step {self.step}; lower strategy.learning_rate")
        self.losses.append(loss)
        self.step += 1
        self.setting.watch(Progress("prepare", self.step, self.total, "PruningNet", {"loss": loss}))

    def save(self) -> None:
        """Writes the checkpoint, if the setting names one."""
        if self.setting.checkpoint is None:
            return
        position = {"step": self.step, "losses": self.losses, "seconds": self.seconds, "history": self.history}
        generated = {name: value.detach() for name, value in self.supernet.generator.state().items()}
        save_checkpoint(self.setting.checkpoint, {**position, "generator": generated})
        self.saved = time.monotonic()

    def restore(self) -> None:
        """Goes on from the checkpoint, if there is one."""
        path = self.setting.checkpoint
        state = load_checkpoint(path, self.setting.device) if path is not None else None
        if state is None:
            return
        try:
            self.supernet.generator.load(state["generator"])
        except (KeyError, RuntimeError) as error:
            raise StoreError(f"{path}: is the checkpoint of another PruningNet ({error}); delete it") from None
        self.step, self.losses, self.seconds = state["step"], state["losses"], state["seconds"]
        self.history = state["history"]
        log.info("the PruningNet goes on from step %d", self.step)
