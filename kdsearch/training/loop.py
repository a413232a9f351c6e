"""Drives whatever learns; interrupted at any step and resumed, it ends with the same numbers to the last bit."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from kdsearch.data.seeds import mix_seed, seed_torch
from kdsearch.errors import KdsearchError, StoreError
from kdsearch.progress import Phase, Progress, Show, Watch, unwatched
from kdsearch.training.checkpoint import load_checkpoint, save_checkpoint
from kdsearch.training.identity import describe_training, find_difference
from kdsearch.training.learner import Learner, Moment

History = tuple[Mapping[str, float], ...]

_log = logging.getLogger(__name__)
_SAVE_SECONDS = 20.0
_EPOCH_SAVE_SECONDS = 5.0  # between saves at ends of epochs, which may be shorter than a write to disk
_WATCH_SECONDS = 0.5
_REASON = 160  # the longest reason that a message shows: torch would name every tensor


@dataclass(frozen=True, slots=True)
class Setting:
    """Where and for how long a training runs, and who hears of it.

    ``checkpoint``: file to go on from if it is there, and to save to. ``evaluate_every_epochs``: validated every so
    many epochs and after the last. ``deadline``: time (``time.monotonic``) at which training stops, saved. ``report``:
    told the epoch (from 1) and the figure on validation images after each epoch, whether to train no further; with one
    the records hold all figures on those images, so that nobody need take them again.
    ``show``: given each epoch's picture, where the learner has one.
    """

    seed: int
    device: torch.device
    checkpoint: Path | None = None
    watch: Watch = unwatched
    phase: Phase = "finish"
    note: str = ""
    evaluate_every_epochs: int | None = None
    deadline: float | None = None
    report: Callable[[int, float], bool] | None = None
    show: Show | None = None


@dataclass(slots=True)
class _Position:
    """How far a training is; ``seconds`` are of the epoch under way."""

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)


def fit(learner: Learner, setting: Setting) -> History:
    """One record an epoch: epoch (from 1), the learner's figures, perhaps one on validation images, seconds.

    Fewer records than epochs mean that a report stopped it, that the deadline came or that the learner had finished.
    Batches and random numbers depend on (seed, epoch, step) alone, and the checkpoint holds all else, so a resumed
    training equals an uninterrupted one on the same machine.

    Raises:
        KdsearchError: the loss became infinite or nan.
        StoreError: the checkpoint is damaged, is another training's, or cannot be written.
    """
    with learner.training(), keeping_random_numbers(setting.device):
        return tuple(_Training(learner, setting).run())


def take_steps(learner: Learner, seed: int, device: torch.device) -> Generator[None]:
    """The learner's steps one by one and for ever, each as ``fit`` takes it: for whoever times them and keeps nothing.

    Every step seeds torch's generators, which ``keeping_random_numbers`` gives back as they were.
    """
    per_epoch = len(learner.batches)
    total = learner.recipe.epochs * per_epoch
    with learner.training():
        for epoch in itertools.count():
            for step, batch in enumerate(learner.batches.epoch(epoch)):
                _take_step(learner, batch, Moment((epoch * per_epoch + step) % total, total, per_epoch, seed), device)
                yield
            learner.close_epoch()


def keeping_random_numbers(device: torch.device) -> AbstractContextManager[None]:
    """After the block torch's generators, of the CPU and of the device, are as before it."""
    return torch.random.fork_rng(_cuda_numbers(device))


def _take_step(learner: Learner, batch: tuple[Any, ...], moment: Moment, device: torch.device) -> None:
    seed_torch(mix_seed(moment.seed, moment.step, learner.stream), device)
    learner.step(batch, moment)


class _Training:
    """The state of one training."""

    def __init__(self, learner: Learner, setting: Setting) -> None:
        self.learner, self.setting = learner, setting
        self.epochs, self.per_epoch = learner.recipe.epochs, len(learner.batches)
        self.of = describe_training(learner, setting.seed)
        self.at = _Position()
        self.saved = self.watched = time.monotonic()
        self._restore()

    def run(self) -> list[dict[str, float]]:
        """The history, once every epoch is done, a report has stopped it or the deadline has come."""
        while self.at.epoch < self.epochs and not self.learner.finished:
            if not self._run_epoch():
                self._save()
                return self.at.history
            if self._close_epoch():
                break
        return self.at.history

    def _run_epoch(self) -> bool:
        """False if the deadline came before the epoch's end."""
        at, began, before = self.at, time.monotonic(), self.at.seconds
        for batch in self.learner.batches.epoch(at.epoch, at.step):
            self._step(batch)
            at.step += 1
            now = time.monotonic()
            at.seconds = before + now - began
            if now - self.watched >= _WATCH_SECONDS:
                self._tell(now)
            if now - self.saved >= _SAVE_SECONDS:
                self._save()
            if self.setting.deadline is not None and now >= self.setting.deadline and at.step < self.per_epoch:
                return False
        return True

    def _step(self, batch: tuple[Any, ...]) -> None:
        done = self.at.epoch * self.per_epoch + self.at.step
        moment = Moment(done, self.epochs * self.per_epoch, self.per_epoch, self.setting.seed)
        _take_step(self.learner, batch, moment, self.setting.device)

    def _close_epoch(self) -> bool:
        """Whether a report says that this was the last one."""
        at, report, every = self.at, self.setting.report, self.setting.evaluate_every_epochs
        record: dict[str, float] = {"epoch": at.epoch + 1, **self._checked(self.learner.close_epoch())}
        last, validated = at.epoch + 1 == self.epochs or self.learner.finished, 0.0
        if report is not None or (every and ((at.epoch + 1) % every == 0 or last)):
            name, validated = self.learner.validate()
            record[name] = validated
            record |= self.learner.validated if report is not None else {}
        record["seconds"] = at.seconds
        at.history.append(record)
        at.epoch, at.step, at.seconds = at.epoch + 1, 0, 0.0
        if self.setting.show is not None and (png := self.learner.picture()) is not None:
            self.setting.show(at.epoch, png)
        self._watch(at.epoch * self.per_epoch, record)
        if last or time.monotonic() - self.saved >= _EPOCH_SAVE_SECONDS:
            self._save()
        return report is not None and report(at.epoch, validated)

    def _checked(self, figures: Mapping[str, float]) -> Mapping[str, float]:
        """The figures.

        Raises:
            KdsearchError: the loss is no number any more.
        """
        loss, recipe = figures["loss"], self.learner.recipe
        if not abs(loss) < float("inf"):
            raise KdsearchError(
                f"training {self.setting.note or 'the net'}: the loss became {loss} in epoch {self.at.epoch + 1}; "
                f"lower learning_rate (now {recipe.learning_rate:g}) or set clip_norm"
            )
        return figures

    def _tell(self, now: float) -> None:
        self.watched = now
        self._watch(self.at.epoch * self.per_epoch + self.at.step, self._checked(self.learner.figures()))

    def _watch(self, step: int, values: Mapping[str, float]) -> None:
        total = self.epochs * self.per_epoch
        self.setting.watch(Progress(self.setting.phase, step, total, self.setting.note, values))

    def _save(self) -> None:
        if self.setting.checkpoint is None:
            return
        at = self.at
        if at.step:
            self._checked(self.learner.figures())  # what has failed is not worth going on from
        position = {"epoch": at.epoch, "step": at.step, "seconds": at.seconds, "history": at.history}
        save_checkpoint(self.setting.checkpoint, {"of": self.of, **position, "learner": self.learner.state()})
        self.saved = time.monotonic()

    def _restore(self) -> None:
        path = self.setting.checkpoint
        state = load_checkpoint(path, self.setting.device) if path is not None else None
        if state is None:
            return
        if difference := find_difference(state.get("of"), self.of):
            raise StoreError(f"{path}: is the checkpoint of another training ({difference}); delete it to start over")
        try:
            self.learner.load(state["learner"])
            at = _Position(state["epoch"], state["step"], state["seconds"], state["history"])
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            reason = " ".join(str(error).split())[:_REASON]
            raise StoreError(f"{path}: is the checkpoint of another net ({reason}); delete it to start over") from None
        self.at = at
        _log.info("%s goes on from epoch %d, step %d", self.setting.note or "the training", at.epoch + 1, at.step)


def _cuda_numbers(device: torch.device) -> list[int]:
    return [device.index if device.index is not None else torch.cuda.current_device()] if device.type == "cuda" else []
