"""What the training loop drives: batches in order, a step on each, figures, and all that a checkpoint has to hold."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch

from kdsearch.spec.sections import Precision, Recipe


class Steps(Protocol):
    """Batches by epoch; they depend on the epoch and the step alone."""

    def __len__(self) -> int: ...

    def epoch(self, number: int, start_step: int = 0) -> Iterator[tuple[Any, ...]]: ...


@dataclass(frozen=True, slots=True)
class Moment:
    """Which step of a training it is: ``step`` (from 0) of ``steps``, and the training's ``seed``."""

    step: int
    steps: int
    steps_per_epoch: int
    seed: int


class Learner(ABC):
    """Something that learns a step at a time: a net, a net by a teacher, a PruningNet.

    It says what a step does and what there is to keep. When to stop, to save, to tell and to validate, where random
    numbers start, and whether a checkpoint is this training's own are the loop's. A step may hold as many updates and
    optimisers as it likes; what it does depends on its batch, its moment and ``state`` alone, and draws from torch's
    own generators, which the loop has seeded for this step.

    ``recipe``: how it trains; the loop reads ``epochs``. ``data``: what tells its data from others. ``stream``: the
    number of its stream of random numbers, its own among the learners.
    """

    stream: ClassVar[int]
    recipe: Recipe
    data: str
    batches: Steps

    @abstractmethod
    def step(self, batch: tuple[Any, ...], moment: Moment) -> None:
        """Learns from a batch."""

    @abstractmethod
    def figures(self) -> Mapping[str, float]:
        """The figures of the epoch so far, at least a step of it; ``loss`` is obligatory, and no number if it failed.

        It counts what waits to be counted, and changes nothing else.
        """

    def close_epoch(self) -> Mapping[str, float]:
        """As ``figures``, of the epoch that has ended; the next one starts at nothing."""
        return self.figures()

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """All that it remembers, sums of the epoch under way included: tensors, numbers, text, lists and dicts."""

    @abstractmethod
    def load(self, state: Mapping[str, Any]) -> None:
        """Takes over what ``state`` gave.

        Raises:
            KeyError, RuntimeError, ValueError, TypeError: the state is of something else.
        """

    def identity(self) -> Mapping[str, str]:
        """What a checkpoint must agree with beside the recipe, the seed and the data, by a name for people."""
        return {}

    def training(self) -> AbstractContextManager[Any]:
        """What it needs around all of its steps; entered once, before a checkpoint is loaded."""
        return nullcontext()

    @property
    def finished(self) -> bool:
        """Whether there is nothing more to learn before its last epoch; asked after each, and part of ``state``."""
        return False

    def picture(self) -> bytes | None:
        """What the epoch that has just ended looks like, as a PNG; None where there is nothing to see."""
        return None

    def validate(self) -> tuple[str, float]:
        """The name in records, and the value, of the figure on the validation images by which students are compared.

        Raises:
            ValueError: there is nothing to validate.
        """
        raise ValueError(f"{type(self).__name__} has no figure on the validation images")

    @property
    def validated(self) -> Mapping[str, float]:
        """All that the last ``validate`` measured, by the names of records; nothing where it was that one figure."""
        return {}


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[Any]:
    """bfloat16 where a recipe's ``precision`` asks for it; auto does on CUDA only."""
    wanted = precision == "bf16" or (precision == "auto" and device.type == "cuda")
    return torch.autocast(device.type, dtype=torch.bfloat16) if wanted else nullcontext()
