"""Trains a net; interrupted at any step and resumed, it ends with the same parameters to the last bit.

B: batch, C: classes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from kdsearch.data.seeds import mix_seed, seed_torch
from kdsearch.errors import KdsearchError, StoreError
from kdsearch.measures.layout import training_layout
from kdsearch.progress import Phase, Progress, Watch, unwatched
from kdsearch.spec.sections import Precision, Recipe
from kdsearch.tasks.base import Task
from kdsearch.training.checkpoint import load_checkpoint, save_checkpoint
from kdsearch.training.optim import learning_rate, make_optimizer, set_learning_rate
from kdsearch.training.tally import Tally

History = tuple[Mapping[str, float], ...]


class Steps(Protocol):
    """Batches by epoch; the first two items of a batch are the images and the labels (B) or targets (BC)."""

    def __len__(self) -> int: ...

    def epoch(self, number: int, start_step: int = 0) -> Iterator[tuple[Any, ...]]: ...


class Objective(Protocol):
    """What a training lowers, and the batches on which it does. What it remembers must lie in the model's buffers.

    ``identity``: what it is made of, which a checkpoint must agree with.
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

    def __init__(self, task: Task, recipe: Recipe, setting: Setting) -> None:
        self.batches: Steps = task.train_batches(recipe, setting.seed, setting.device)
        self._task, self._smoothing = task, recipe.label_smoothing

    def loss(self, model: nn.Module, batch: tuple[Any, ...]) -> tuple[Tensor, Tensor]:
        image_BCHW, labels = batch
        logits_BC = model(image_BCHW)
        return self._task.loss(logits_BC, labels, self._smoothing), logits_BC

    def figures(self, model: nn.Module) -> Mapping[str, float]:  # noqa: ARG002
        return {}


_SAVE_SECONDS = 20.0
_EPOCH_SAVE_SECONDS = 5.0  # epochs of a small net last less, and a save waits for the disk
_WATCH_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Setting:
    """Where and for how long a training runs, and who hears of it.

    ``checkpoint``: file to go on from if it is there, and to save to. ``evaluate_every_epochs``: validated every so
    many epochs and after the last. ``deadline``: time (``time.monotonic``) at which training stops, saved.
    ``objective``: the task's loss where None. ``give_up``: told the history after each epoch, whether to train no
    further.
    """

    seed: int
    device: torch.device
    checkpoint: Path | None = None
    watch: Watch = unwatched
    phase: Phase = "finish"
    note: str = ""
    evaluate_every_epochs: int | None = None
    deadline: float | None = None
    objective: Objective | None = None
    give_up: Callable[[Sequence[Mapping[str, float]]], bool] | None = None


@dataclass(slots=True)
class _Position:
    """How far a training is; ``tally`` and ``seconds`` are of the epoch under way."""

    tally: Tally
    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)


def fit(model: nn.Module, task: Task, recipe: Recipe, setting: Setting) -> History:
    """One record an epoch: epoch (from 1), loss, learning_rate, seconds, the headline figure on training images,
    perhaps on validation images.

    Trains ``model`` itself, on the setting's device; fewer records than epochs mean that it gave up or that the
    deadline came. The objective adds its own figures. Batches, their augmentation and dropout depend on (seed, epoch,
    step) alone, and the checkpoint holds all else, so a resumed training equals an uninterrupted one on the same
    machine. On CUDA it computes in bfloat16 unless the recipe says fp32.

    Raises:
        KdsearchError: the loss became infinite or nan.
        StoreError: the checkpoint is damaged, is another training's, or cannot be written.
    """
    model.to(setting.device)
    with training_layout(model), torch.random.fork_rng(_cuda_numbers(setting.device)):
        return tuple(_Training(model, task, recipe, setting).run())


class _Training:
    """The state of one training."""

    def __init__(self, model: nn.Module, task: Task, recipe: Recipe, setting: Setting) -> None:
        self.model, self.task, self.recipe, self.setting = model, task, recipe, setting
        self.objective = setting.objective or TaskObjective(task, recipe, setting)
        self.batches = self.objective.batches
        self.optimizer = make_optimizer(recipe, model)
        self.at = _Position(Tally(task))
        self.saved = self.watched = time.monotonic()
        self._restore()

    def run(self) -> list[dict[str, float]]:
        """The history, once every epoch is done or the deadline has come."""
        self.model.train()
        while self.at.epoch < self.recipe.epochs:
            if not self._run_epoch():
                self._save()
                return self.at.history
            self._close_epoch()
            if self.setting.give_up is not None and self.setting.give_up(self.at.history):
                break
        return self.at.history

    def _run_epoch(self) -> bool:
        """False if the deadline came before the epoch's end."""
        at, began, before = self.at, time.monotonic(), self.at.seconds
        for batch in self.batches.epoch(at.epoch, at.step):
            self._step(batch)
            at.step += 1
            now = time.monotonic()
            at.seconds = before + now - began
            if now - self.watched >= _WATCH_SECONDS:
                self._tell(now)
            if now - self.saved >= _SAVE_SECONDS:
                self._save()
            if self.setting.deadline is not None and now >= self.setting.deadline and at.step < len(self.batches):
                return False
        return True

    def _step(self, batch: tuple[Any, ...]) -> None:
        done = self.at.epoch * len(self.batches) + self.at.step
        steps = self.recipe.epochs * len(self.batches)
        seed_torch(mix_seed(self.setting.seed, done, 3), self.setting.device)
        set_learning_rate(self.optimizer, learning_rate(self.recipe, done, steps, len(self.batches)))
        self.optimizer.zero_grad()
        with autocast(self.recipe.precision, self.setting.device):
            loss, logits_BC = self.objective.loss(self.model, batch)
        loss.backward()
        if self.recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        self.optimizer.step()
        self.at.tally.add(loss, logits_BC, batch[1])

    def _figures(self) -> Mapping[str, float]:
        """Mean loss and headline figure of the epoch so far.

        Raises:
            KdsearchError: the loss is no number any more.
        """
        figures = self.at.tally.figures(self.at.step)
        loss = figures["loss"]
        if not abs(loss) < float("inf"):
            raise KdsearchError(
                f"training {self.setting.note or 'the net'}: the loss became {loss} in epoch {self.at.epoch + 1}; "
                f"lower learning_rate (now {self.recipe.learning_rate:g}) or set clip_norm"
            )
        return figures

    def _close_epoch(self) -> None:
        at, recipe = self.at, self.recipe
        record: dict[str, float] = {"epoch": at.epoch + 1, **self._figures(), **self.objective.figures(self.model)}
        record["learning_rate"] = self.optimizer.param_groups[0]["lr"]
        every = self.setting.evaluate_every_epochs
        if every and ((at.epoch + 1) % every == 0 or at.epoch + 1 == recipe.epochs):
            figures = self.task.evaluate(self.model, "validation", device=self.setting.device)
            record[self.task.metric.validation] = figures[self.task.metric.name]
        record["seconds"] = at.seconds
        at.history.append(record)
        at.epoch, at.step, at.seconds, at.tally = at.epoch + 1, 0, 0.0, Tally(self.task)
        self._report(at.epoch * len(self.batches), record)
        if at.epoch == recipe.epochs or time.monotonic() - self.saved >= _EPOCH_SAVE_SECONDS:
            self._save()

    def _tell(self, now: float) -> None:
        self.watched = now
        rate = self.optimizer.param_groups[0]["lr"]
        self._report(self.at.epoch * len(self.batches) + self.at.step, {**self._figures(), "learning_rate": rate})

    def _report(self, step: int, values: Mapping[str, float]) -> None:
        total = self.recipe.epochs * len(self.batches)
        self.setting.watch(Progress(self.setting.phase, step, total, self.setting.note, values))

    def _identity(self) -> dict[str, Any]:
        of = {"recipe": self.recipe.model_dump_json(), "seed": self.setting.seed, "data": self.task.digest}
        return of | ({"objective": self.objective.identity} if self.objective.identity else {})

    def _save(self) -> None:
        if self.setting.checkpoint is None:
            return
        at = self.at
        position = {"epoch": at.epoch, "step": at.step, "seconds": at.seconds, "history": at.history}
        sums = {"tally": at.tally.sums()}
        weights = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        save_checkpoint(self.setting.checkpoint, {"of": self._identity(), **position, **sums, **weights})
        self.saved = time.monotonic()

    def _restore(self) -> None:
        path = self.setting.checkpoint
        state = load_checkpoint(path, self.setting.device) if path is not None else None
        if state is None:
            return
        differing = [key for key, value in self._identity().items() if state.get("of", {}).get(key) != value]
        if differing:
            raise StoreError(f"{path}: is the checkpoint of another training (other {', '.join(differing)}); delete it")
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError) as error:
            raise StoreError(f"{path}: is the checkpoint of another net ({str(error).splitlines()[0]})") from None
        at = self.at
        at.tally, at.seconds = Tally(self.task, **state["tally"]), state["seconds"]
        at.epoch, at.step, at.history = state["epoch"], state["step"], state["history"]


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[Any]:
    """bfloat16 where a recipe's ``precision`` asks for it; auto does on CUDA only."""
    wanted = precision == "bf16" or (precision == "auto" and device.type == "cuda")
    return torch.autocast(device.type, dtype=torch.bfloat16) if wanted else nullcontext()


def _cuda_numbers(device: torch.device) -> list[int]:
    return [device.index if device.index is not None else torch.cuda.current_device()] if device.type == "cuda" else []
