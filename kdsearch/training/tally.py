"""Loss and headline figure of an epoch under way, at next to no cost a step.

B: batch, C: classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from kdsearch.tasks.base import Task

_KEPT = 64  # steps whose logits wait to be counted; it bounds the memory that they take


@dataclass(slots=True)
class Tally:
    """Sums over the steps of an epoch: of the loss, of the images' figures (1 where right), the images, the steps.

    A step only hands over what it has computed; it is counted later, for many steps at once. Right behind a step each
    small operation finds cold caches: four of them took 2 to 4% of a step of LeNet-5. Losses are added one by one in
    float64, so that sums do not depend on when they were asked for.
    """

    judge: Task | type[Task]
    loss_sum: float = 0.0
    right: float = 0
    images: int = 0
    steps: int = 0
    _waiting: list[tuple[Tensor, Tensor, Tensor]] = field(default_factory=list)

    def add(self, loss: Tensor, logits_BC: Tensor, labels: Tensor) -> None:
        """Takes a step in; ``labels``: as the task's loss takes them."""
        self._waiting.append((loss.detach(), logits_BC.detach(), labels))
        if len(self._waiting) >= _KEPT:
            self._count()

    def sums(self) -> dict[str, float]:
        """Everything that a checkpoint needs; ``Tally(task, **sums)`` goes on from it."""
        self._count()
        return {"loss_sum": self.loss_sum, "right": self.right, "images": self.images, "steps": self.steps}

    def figures(self) -> Mapping[str, float]:
        """The mean ``loss`` of the steps and the headline figure of their images."""
        sums = self.sums()
        return {"loss": sums["loss_sum"] / sums["steps"], self.judge.metric.training: sums["right"] / sums["images"]}

    def _count(self) -> None:
        if not self._waiting:
            return
        losses, logits, labels = zip(*self._waiting, strict=True)
        self._waiting = []
        self.steps += len(losses)
        for loss in torch.stack(losses).double().tolist():
            self.loss_sum += loss
        right_B = self.judge.rate_each(torch.cat(logits), torch.cat(labels))
        self.right += right_B.double().sum().item()
        self.images += len(right_B)
