"""One traced forward of two convolutions and a function of what they give: units 1 to 4 and 5 to 8 of dimension 1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kdsearch.tracing.swap import Slots
from kdsearch.tracing.tracer import Tracer
from kdsearch.tracing.units import UnitClasses, UnitRecorder, classify


class Between(nn.Module):
    """``operator`` is handed the net, for its parts, and what its two convolutions give, (1, 4, 2, 2) each."""

    def __init__(self, operator: Callable[[Any, Tensor, Tensor], Any], parts: dict[str, Any]) -> None:
        super().__init__()
        self.operator = operator
        self.first, self.other = nn.Conv2d(1, 4, 1), nn.Conv2d(1, 4, 1)
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, image: Tensor) -> Any:
        return self.operator(self, self.first(image), self.other(image))


@dataclass(frozen=True, slots=True)
class Followed:
    """What tracing made of it: the output, and all that was recorded on the way."""

    output: Any
    tracer: Tracer
    recorder: UnitRecorder
    classes: UnitClasses

    def label(self, tensor: Tensor | None = None) -> list[int] | None:
        """The units of the output (or of one of its tensors), place after place; None where it has none."""
        label = self.tracer.label(self.output if tensor is None else tensor)
        return None if label is None else label.reshape(-1).tolist()

    def tied(self, *units: int) -> bool:
        """Whether these units have to go together."""
        return len({int(self.classes.root_of[unit]) for unit in units}) == 1

    def reason(self, unit: int) -> str | None:
        """Why a unit has to stay; None where it may go."""
        return self.classes.reasons.get(int(self.classes.root_of[unit]))


def follow(operator: Callable[[Any, Tensor, Tensor], Any], **parts: Any) -> Followed:
    """The operator traced on tensors with values."""
    net = Between(operator, parts).eval()
    slots, recorder = Slots.of(net), UnitRecorder()
    tracer = Tracer(net, slots, recorder)
    output = tracer.run(slots.tensors(), torch.ones(1, 1, 2, 2))
    return Followed(output, tracer, recorder, classify(recorder))
