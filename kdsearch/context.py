"""What a strategy works with; it knows no study, store, searcher or executor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdsearch.candidates.repair import draw_for
from kdsearch.records import RunPaths

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import nn

    from kdsearch.candidates.space import Candidate, Rng, SearchSpace, Window
    from kdsearch.progress import Show
    from kdsearch.tasks.base import Task
    from kdsearch.teaching.lessons import Teaching
    from kdsearch.widths.space import WidthSpace


@dataclass(frozen=True, slots=True)
class Context:
    """The task, the full net, its width space, the budgets, and where and how to compute.

    ``space`` is the search space over ``widths``. ``budgets`` holds the windows of costs of each budget of the study,
    ``uniform`` the uniform-width gene that fits each, ``inside`` a candidate known to lie in each. ``trained``: the
    net's weights came from a checkpoint. During the search the task's test part cannot be read. ``teaching``: the
    study's teacher and how it may be asked, if it has one; ``students_taught``: how many it may teach. ``show``: takes
    what an epoch looks like, where a training has something to see and somebody wants it. ``data_roots``: files and
    folders of real images that the study or this machine names, which nothing may open that learns without data.
    """

    task: Task
    net: nn.Module
    widths: WidthSpace
    space: SearchSpace
    budgets: tuple[tuple[Window, ...], ...]
    uniform: tuple[Candidate, ...]
    device: torch.device
    seed: int
    trained: bool
    paths: RunPaths
    teaching: Teaching | None = None
    students_taught: int = 1
    inside: tuple[Candidate, ...] = ()
    show: Show | None = None
    data_roots: tuple[Path, ...] = ()

    def draw(self, budget: int, rng: Rng) -> Candidate:
        """A random candidate inside the windows of a budget.

        Raises:
            InfeasibleError: none was found, and none is known.
        """
        known = self.inside[budget] if self.inside else None
        return draw_for(self.space, self.widths.costs, self.budgets[budget], rng, inside=known)
