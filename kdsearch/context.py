"""What a strategy works with; it knows no study, store, searcher or executor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdsearch.records import RunPaths

if TYPE_CHECKING:
    import torch
    from torch import nn

    from kdsearch.models.widths import WidthSpace
    from kdsearch.space import Candidate
    from kdsearch.tasks.base import Task


@dataclass(frozen=True, slots=True)
class Context:
    """The task, the full net with its starting weights, its width space, and where and how to compute.

    ``uniform`` holds, for each budget, the uniform-width gene that fits it; ``windows`` the (low, high) MACs that a
    candidate of that budget may have. During the search the task's test part cannot be read.
    """

    task: Task
    net: nn.Module
    widths: WidthSpace
    device: torch.device
    seed: int
    paths: RunPaths
    uniform: tuple[Candidate, ...]
