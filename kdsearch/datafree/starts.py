"""Several starts of one training, of which the worse half is given up on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar

import torch
from torch import nn

from kdsearch.datafree.learner import DataFreeLearner
from kdsearch.training.learner import Learner, Moment

_HALVINGS = (0.25, 0.5)  # of the epochs, after which half of the starts end


def mean_starts(starts: int) -> float:
    """How many starts are trained on average over the epochs."""
    first, second = _HALVINGS
    half = -(-starts // 2)
    return first * starts + (second - first) * half + (1 - second) * -(-half // 2)


class StartsLearner(Learner):
    """Trains starts from several seeds side by side; which ones go on their pooled probe decides.

    That is all probes together: each student's divergence from the teacher on the images of every start, as a student
    that is good at its own generators' images alone is not wanted (successive halving, Jamieson & Talwalkar 2016).
    After a quarter and after half of the epochs the better half, rounded up, goes on; ``best`` is the one that counts.
    """

    stream: ClassVar[int] = 23

    def __init__(self, starts: Sequence[DataFreeLearner]) -> None:
        self._starts, self.going = tuple(starts), list(range(len(starts)))
        self.recipe, self.data, self.batches = starts[0].recipe, starts[0].data, starts[0].batches
        self._epoch = 0

    @property
    def best(self) -> DataFreeLearner:
        return self._starts[self.going[0]]

    @property
    def student(self) -> nn.Module:
        return self.best.student

    @property
    def finished(self) -> bool:
        return all(self._starts[at].finished for at in self.going)

    @contextmanager
    def training(self) -> Iterator[None]:
        with ExitStack() as stack:
            for start in self._starts:
                stack.enter_context(start.training())
            yield

    def step(self, batch: tuple[Any, ...], moment: Moment) -> None:
        for at in self.going:
            if not self._starts[at].finished:
                self._starts[at].step(batch, moment)

    def figures(self) -> Mapping[str, float]:
        return {**self.best.figures(), "starts": float(len(self.going))}

    def close_epoch(self) -> Mapping[str, float]:
        self._epoch += 1
        found = {at: self._starts[at].close_epoch() for at in self.going}
        pooled = {at: self.pool(at) for at in self.going}
        self.going.sort(key=pooled.__getitem__)
        if len(self.going) > 1 and self._epoch in {max(1, round(share * self.recipe.epochs)) for share in _HALVINGS}:
            self.going = self.going[: -(-len(self.going) // 2)]
        return {**found[self.going[0]], "starts": float(len(self.going))}

    def picture(self) -> bytes | None:
        return self.best.picture()

    def validate(self) -> tuple[str, float]:
        return self.best.validate()

    def select(self) -> float:
        """Gives the student of the best start the weights of its best evaluation, whose divergence comes back."""
        return self.best.select()

    def pool(self, at: int) -> float:
        """The mean divergence (nats) of a start's best student on the probes of all that go on."""
        probes = [self._starts[other].bank.part("validation") for other in self.going]
        pixels_NCHW, logits_NC = (torch.cat(parts) for parts in zip(*probes, strict=True))
        return self._starts[at].ask_best(pixels_NCHW, logits_NC)

    def state(self) -> dict[str, Any]:
        return {"starts": [each.state() for each in self._starts], "going": list(self.going), "epoch": self._epoch}

    def load(self, state: Mapping[str, Any]) -> None:
        for start, kept in zip(self._starts, state["starts"], strict=True):
            start.load(kept)
        self.going, self._epoch = list(state["going"]), state["epoch"]

    def identity(self) -> Mapping[str, str]:
        return {**self.best.identity(), "starts": str(len(self._starts))}
