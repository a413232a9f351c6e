"""A net that learns by one loss and one optimiser, whatever the loss is made of.

B: batch, C: classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from kdsearch.measures.layout import training_layout
from kdsearch.spec.metric import VALIDATION
from kdsearch.training.identity import digest_of
from kdsearch.training.learner import Learner, Moment, Steps, autocast
from kdsearch.training.loop import History, Setting, fit
from kdsearch.training.optim import learning_rate, make_optimizer, set_learning_rate
from kdsearch.training.tally import Tally

if TYPE_CHECKING:
    from kdsearch.spec.sections import Recipe
    from kdsearch.tasks.base import Task


class Objective(Protocol):
    """What a training lowers, and the batches on which it does. What it remembers must lie in the model's buffers.

    ``batches``: the first two items of each are the images and the labels (B) or targets (BC). ``identity``: what it
    is made of, which a checkpoint must agree with.
    """

    batches: Steps
    identity: str

    def loss(self, model: nn.Module, batch: tuple[Any, ...]) -> tuple[Tensor, Tensor]:
        """The loss of a batch and the logits of its images."""

    def figures(self, model: nn.Module) -> Mapping[str, float]:
        """What the epoch's record says of it, at the epoch's end."""


class TaskObjective:
    """The task's own loss on its own batches."""

    identity = ""

    def __init__(self, task: Task, recipe: Recipe, seed: int, device: torch.device) -> None:
        self.batches: Steps = task.train_batches(recipe, seed, device)
        self._task, self._smoothing = task, recipe.label_smoothing

    def loss(self, model: nn.Module, batch: tuple[Any, ...]) -> tuple[Tensor, Tensor]:
        image_BCHW, labels = batch
        logits_BC = model(image_BCHW)
        return self._task.loss(logits_BC, labels, self._smoothing), logits_BC

    def figures(self, model: nn.Module) -> Mapping[str, float]:  # noqa: ARG002
        return {}


class NetLearner(Learner):
    """Trains ``model`` itself, on ``device``; the recipe says by which optimiser and at which rates.

    On CUDA it computes in bfloat16 unless the recipe says fp32.
    """

    stream: ClassVar[int] = 3

    def __init__(
        self, model: nn.Module, task: Task, recipe: Recipe, objective: Objective, device: torch.device
    ) -> None:
        self.model, self.recipe, self.data, self.batches = model.to(device), recipe, task.digest, objective.batches
        self._task, self._objective, self._device = task, objective, device
        self._optimizer = make_optimizer(recipe, model)
        self._tally = Tally(self._task)
        self._validated: Mapping[str, float] = {}

    @contextmanager
    def training(self) -> Iterator[None]:
        with training_layout(self.model):
            self.model.train()
            yield

    def step(self, batch: tuple[Any, ...], moment: Moment) -> None:
        recipe, optimizer = self.recipe, self._optimizer
        set_learning_rate(optimizer, learning_rate(recipe, moment.step, moment.steps, moment.steps_per_epoch))
        optimizer.zero_grad()
        with autocast(recipe.precision, self._device):
            loss, logits_BC = self._objective.loss(self.model, batch)
        loss.backward()
        if recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip_norm)
        optimizer.step()
        self._tally.add(loss, logits_BC, batch[1])

    def figures(self) -> Mapping[str, float]:
        return {**self._tally.figures(), "learning_rate": self._optimizer.param_groups[0]["lr"]}

    def close_epoch(self) -> Mapping[str, float]:
        found = {**self.figures(), **self._objective.figures(self.model)}
        self._tally = Tally(self._task)
        return found

    def state(self) -> dict[str, Any]:
        weights = {"model": self.model.state_dict(), "optimizer": self._optimizer.state_dict()}
        return {**weights, "tally": self._tally.sums()}

    def load(self, state: Mapping[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._tally = Tally(self._task, **state["tally"])

    def identity(self) -> Mapping[str, str]:
        shapes = [(name, tuple(value.shape)) for name, value in self.model.state_dict().items()]
        return {"net": digest_of(shapes), "objective": self._objective.identity}

    def validate(self) -> tuple[str, float]:
        self._validated = self._task.evaluate(self.model, "validation", device=self._device)
        return self._task.metric.validation, self._validated[self._task.metric.name]

    @property
    def validated(self) -> Mapping[str, float]:
        return {f"{VALIDATION}{name}": figure for name, figure in self._validated.items()}


def train_net(
    model: nn.Module, task: Task, recipe: Recipe, setting: Setting, *, objective: Objective | None = None
) -> History:
    """Trains ``model`` itself, by ``objective`` or by the task's own loss; one record an epoch, as ``fit`` says.

    The records also hold the headline figure on training images, ``learning_rate`` and the objective's own figures.
    """
    lowered = objective or TaskObjective(task, recipe, setting.seed, setting.device)
    return fit(NetLearner(model, task, recipe, lowered, setting.device), setting)
