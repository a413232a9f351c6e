"""What every strategy offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from kdsearch.errors import SpecError
from kdsearch.progress import Watch, unwatched
from kdsearch.sections import Section

if TYPE_CHECKING:
    from torch import nn

    from kdsearch.context import Context
    from kdsearch.records import Trial
    from kdsearch.space import Candidate, Choice, Real


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained compact net on the CPU or the context's device, and one record an epoch."""

    model: nn.Module
    history: tuple[Mapping[str, float], ...]


class Strategy(ABC):
    """How a candidate is scored and how a student is trained; ``train`` is the only obligatory method.

    A plug-in imports torch inside its methods: reading its ``Options`` must not.
    """

    Options: ClassVar[type[Section]]
    inherits: ClassVar[bool] = False
    """Whether ``train`` goes on from what ``prepare`` of the same strategy left in the run."""

    def __init__(self, options: Section) -> None:
        self.options = options

    def check_search(self) -> None:  # noqa: B027
        """Refuses, by a SpecError, options with which it cannot score candidates, fit as they may be for ``finish``."""

    def parameters(self, ctx: Context) -> tuple[Choice | Real, ...]:
        """The search space; by default one kept width a channel group of the student."""
        return ctx.widths.parameters()

    def prepare(self, ctx: Context, watch: Watch = unwatched) -> Mapping[str, Any]:  # noqa: ARG002
        """Figures about what was prepared, once a study; what it leaves lies in ``ctx.paths.prepared``."""
        return {}

    def load(self, ctx: Context) -> None:  # noqa: B027
        """Reads what ``prepare`` left, once in each process that scores or trains."""

    def score(self, ctx: Context, trial: Trial) -> dict[str, float]:
        """The candidate's metrics; ``accuracy`` (0..1 on the validation part) is obligatory.

        By default the student is trained and evaluated.
        """
        trained = self.train(ctx, trial.candidate, seed=ctx.seed)
        return ctx.task.evaluate(trained.model, "validation", device=ctx.device)

    def rehearse(self, ctx: Context, steps: int) -> Mapping[str, float]:  # noqa: ARG002
        """Forecast of seconds: ``prepare`` in all, and ``score`` of one candidate, from ``steps`` timed steps."""
        raise SpecError(f"strategy: {type(self).__name__} cannot forecast its time")

    @abstractmethod
    def train(
        self,
        ctx: Context,
        candidate: Candidate,
        *,
        seed: int,
        checkpoint: Path | None = None,
        watch: Watch = unwatched,
    ) -> Trained:
        """The candidate as a trained compact net; goes on from ``checkpoint`` if that file is there."""
