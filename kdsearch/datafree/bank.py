"""The images that were made, with the teacher's answers: the newest to learn from, and samples that nobody learns from.

B: batch, N: images kept, C: channels or classes, H and W: pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
_HELD_SHARE = 1 / 16  # of each batch, for either sample
_LARGEST = 65_504.0  # what float16 holds


@dataclass(frozen=True, slots=True)
class BankSizes:
    """How many images each part holds at most."""

    train: int
    validation: int
    test: int


class Bank:
    """Three parts that share no image: a ring of the newest, and two samples of all that was ever made.

    The samples are reservoirs (Vitter 1985, algorithm R): each image that came their way is in them with equal chance.
    What is drawn comes from torch's global generator of the CPU, which the training loop has seeded. Everything lies in
    the computer's memory.
    """

    def __init__(self, image_shape: tuple[int, int, int], classes: int, sizes: BankSizes) -> None:
        self._parts = {part: _Shelf(getattr(sizes, part), image_shape, classes) for part in PARTS}

    def __len__(self) -> int:
        """The images to learn from."""
        return len(self._parts["train"])

    @property
    def seen(self) -> int:
        """All images that were ever added."""
        return sum(shelf.seen for shelf in self._parts.values())

    def add(self, pixels_BCHW: Tensor, logits_BC: Tensor) -> None:
        """Takes a batch in: a sixteenth of it, at least an image, goes to each of the samples, the rest to the ring."""
        pixels, logits = pixels_BCHW.cpu(), logits_BC.detach().cpu()
        held = max(1, round(_HELD_SHARE * len(pixels)))
        self._parts["validation"].sample(pixels[:held], logits[:held])
        self._parts["test"].sample(pixels[held : 2 * held], logits[held : 2 * held])
        self._parts["train"].renew(pixels[2 * held :], logits[2 * held :])

    def draw(self, count: int) -> tuple[Tensor, Tensor]:
        """So many random images to learn from, and the teacher's logits (float32).

        Every class that the teacher sees in any is drawn as often as every other; an image may be drawn twice.
        """
        shelf = self._parts["train"]
        rows = torch.multinomial(shelf.chances(), count, replacement=True)
        return shelf.pixels_NCHW[rows], shelf.logits_NC[rows].float()

    def part(self, name: Part) -> tuple[Tensor, Tensor]:
        """The images of a part (uint8 NCHW) and the teacher's logits (float16 NC), not copied."""
        shelf = self._parts[name]
        return shelf.pixels_NCHW[: len(shelf)], shelf.logits_NC[: len(shelf)]

    def newest(self, count: int) -> tuple[Tensor, Tensor]:
        """The images that were added last, the latest first."""
        return self._parts["train"].by_age(count, newest=True)

    def oldest(self, count: int) -> tuple[Tensor, Tensor]:
        """The images that the next ones will replace first."""
        return self._parts["train"].by_age(count, newest=False)

    def state(self) -> dict[str, Any]:
        return {part: shelf.state() for part, shelf in self._parts.items()}

    def load(self, state: Mapping[str, Any]) -> None:
        for part, shelf in self._parts.items():
            shelf.load(state[part])


class _Shelf:
    """Room for so many images, and how many came its way."""

    def __init__(self, size: int, image_shape: tuple[int, int, int], classes: int) -> None:
        self.pixels_NCHW = torch.zeros((size, *image_shape), dtype=torch.uint8)
        self.logits_NC = torch.zeros((size, classes), dtype=torch.float16)
        self.seen = 0
        self._chances: Tensor | None = None

    def __len__(self) -> int:
        return min(self.seen, len(self.pixels_NCHW))

    def renew(self, pixels_BCHW: Tensor, logits_BC: Tensor) -> None:
        """Puts each image where the oldest one is."""
        rows = (self.seen + torch.arange(len(pixels_BCHW))) % len(self.pixels_NCHW)
        self._put(rows[-len(self.pixels_NCHW) :], pixels_BCHW, logits_BC)
        self.seen += len(pixels_BCHW)

    def sample(self, pixels_BCHW: Tensor, logits_BC: Tensor) -> None:
        """Keeps each image with the chance that all before it have had, in the place of a random one."""
        size = len(self.pixels_NCHW)
        for at in range(len(pixels_BCHW)):
            row = self.seen if self.seen < size else int(torch.randint(self.seen + 1, ()))
            if row < size:
                self._put(torch.tensor([row]), pixels_BCHW[at : at + 1], logits_BC[at : at + 1])
            self.seen += 1

    def chances(self) -> Tensor:
        """By which chance each image is drawn where classes are drawn alike, kept until an image comes."""
        if self._chances is None:
            label_N = self.logits_NC[: len(self)].argmax(1)
            self._chances = 1 / label_N.bincount().clamp_min(1)[label_N].float()
        return self._chances

    def by_age(self, count: int, *, newest: bool) -> tuple[Tensor, Tensor]:
        ages = torch.arange(min(count, len(self)))
        rows = (self.seen - 1 - ages if newest else self.seen - len(self) + ages) % len(self.pixels_NCHW)
        return self.pixels_NCHW[rows], self.logits_NC[rows]

    def _put(self, rows: Tensor, pixels_BCHW: Tensor, logits_BC: Tensor) -> None:
        self._chances = None
        self.pixels_NCHW[rows] = pixels_BCHW[-len(rows) :]
        self.logits_NC[rows] = logits_BC[-len(rows) :].clamp(-_LARGEST, _LARGEST).half()

    def state(self) -> dict[str, Any]:
        """What it holds, without the room that is empty."""
        return {"pixels": self.pixels_NCHW[: len(self)], "logits": self.logits_NC[: len(self)], "seen": self.seen}

    def load(self, state: Mapping[str, Any]) -> None:
        self.seen, self._chances = state["seen"], None
        self.pixels_NCHW[: len(self)] = state["pixels"].cpu()
        self.logits_NC[: len(self)] = state["logits"].cpu()
