"""What long work tells whoever watches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Phase = Literal["plan", "prepare", "search", "finish", "export", "report", "teach"]


@dataclass(frozen=True, slots=True)
class Progress:
    """Step ``step`` of ``total`` of a phase (0 of 0: unknown); ``note`` names the part at work; ``values``: figures."""

    phase: Phase
    step: int
    total: int
    note: str = ""
    values: Mapping[str, float] = field(default_factory=dict)


Watch = Callable[[Progress], None]


Report = Callable[[int, float], bool]
"""Told the epoch (from 1) and the figure on validation images after each epoch, whether to train no further."""

Show = Callable[[int, bytes], None]
"""Given the epoch (from 1) and what it looks like, as a PNG."""


def unwatched(progress: Progress) -> None:
    """Nobody watches: what workers and tests pass."""
