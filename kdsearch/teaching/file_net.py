"""A net that is a file: images in, logits out, whatever its runtime wants and gives beyond that.

B: batch, C: classes for logits, channels for images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn

from kdsearch.models.main_output import Path, find_outputs

_LEAST = 1e-12  # of a probability whose logarithm is taken: float32 softmaxes end in zeros


class Runner(Protocol):
    """A loaded file. ``batch``: how many images it takes at once, None: as many as there are."""

    @property
    def batch(self) -> int | None: ...
    @property
    def held(self) -> int | None:
        """The numbers that it holds as weights; None where nobody knows."""

    @property
    def frozen(self) -> nn.Module | None:
        """A module of its frozen script, to be timed; None where it is no script."""

    def run(self, image_BCHW: Tensor) -> Any:
        """Whatever it gives; gradients flow to the images if it has any."""

    def move(self, device: torch.device) -> Self:
        """The same on another device."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is asked and its answers are read.

    ``batch``: images at once, None: any number. ``place``: where the logits stand; ``outputs``: whether they are such.
    ``scale`` and ``shift``, a number a channel: what makes the file's images of those that ``FileNet`` is given.
    """

    batch: int | None
    place: Path
    outputs: str = "logits"
    scale: tuple[float, ...] = (1.0,)
    shift: tuple[float, ...] = (0.0,)


class FileNet(nn.Module):
    """Gives the logits BC of normalised images. ``queries``: how many images it was asked about.

    It has no modules inside, so nothing of it can be tapped or trained.
    """

    def __init__(self, runner: Runner, reading: Reading) -> None:
        super().__init__()
        self.here = nn.Parameter(torch.empty(0), requires_grad=False)  # tells where it is, as a net's weights do
        self.queries = 0
        self._runner, self._reading = (runner,), reading  # in a tuple, a ScriptModule is none of its modules
        self.eval()

    @property
    def held(self) -> int | None:
        """The numbers that it holds as weights; None where nobody knows."""
        return self._runner[0].held

    @property
    def frozen(self) -> nn.Module | None:
        """A module of its frozen script, to be timed; None where it is no script."""
        return self._runner[0].frozen

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """The logits, in fp32."""
        self.queries += len(image_BCHW)
        image_BCHW = image_BCHW * self._wide(self._reading.scale) + self._wide(self._reading.shift)
        size = self._reading.batch
        parts = [image_BCHW] if size is None else image_BCHW.split(size)
        return torch.cat([self._read(part) for part in parts])

    def _wide(self, numbers: tuple[float, ...]) -> Tensor:
        return torch.tensor(numbers, device=self.here.device).reshape(1, -1, 1, 1)

    def _read(self, part_BCHW: Tensor) -> Tensor:
        count, size = len(part_BCHW), self._reading.batch or len(part_BCHW)
        # a file of a fixed batch is given some images twice to fill it
        filled = torch.cat([part_BCHW, part_BCHW[-1:].expand(size - count, -1, -1, -1)]) if size > count else part_BCHW
        answer_BC = find_outputs(self._runner[0].run(filled))[self._reading.place][:count].flatten(1).float()
        if self._reading.outputs == "probabilities":
            return answer_BC.clamp_min(_LEAST).log()
        return answer_BC

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        self._runner = (self._runner[0].move(self.here.device),)
        return self
