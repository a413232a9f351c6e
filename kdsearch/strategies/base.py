"""What every strategy offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from kdsearch.errors import SpecError
from kdsearch.progress import Watch, unwatched
from kdsearch.spec.sections import Recipe, Section

if TYPE_CHECKING:
    from torch import nn

    from kdsearch.candidates.space import Candidate, Choice, Real
    from kdsearch.context import Context
    from kdsearch.records import Trial
    from kdsearch.spec.terms import Range


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained compact net on the CPU or the context's device, and one record an epoch."""

    model: nn.Module
    history: tuple[Mapping[str, float], ...]


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate's metrics, and its validation accuracy after each epoch where it was trained for its score."""

    metrics: Mapping[str, float]
    curve: tuple[float, ...] = ()


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

    def check(self, ctx: Context) -> None:  # noqa: B027
        """Refuses, by a SpecError, what does not fit the study's net, data or teacher, before anything runs."""

    @property
    def asks_teacher(self) -> bool:
        """Whether it learns from the study's teacher."""
        return False

    def searched(self) -> Mapping[str, Range]:
        """The amounts among its options that a search is to find, by the names of their parameters."""
        return {}

    def parameters(self, ctx: Context) -> tuple[Choice | Real, ...]:
        """The search space; by default one kept width a channel group of the student."""
        return ctx.widths.parameters()

    def complete(self, gene: Candidate) -> Candidate:
        """A gene of widths as a candidate of this strategy's search: with what else is searched where it starts."""
        return gene

    def provision(self, ctx: Context, watch: Watch = unwatched) -> Mapping[str, Any]:  # noqa: ARG002
        """Figures about what trainings need beside the student; done before the first one, by the driver alone."""
        return {}

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

    def score_trial(self, ctx: Context, trial: Trial) -> Scored:
        """As ``score``, with the curve if there is one."""
        return Scored(self.score(ctx, trial))

    def rehearse(self, ctx: Context, steps: int) -> Mapping[str, float]:  # noqa: ARG002
        """Forecast of seconds: ``prepare`` in all, and ``score`` of one candidate, from ``steps`` timed steps."""
        raise SpecError(f"strategy: {type(self).__name__} cannot forecast its time")

    def epoch_seconds(self, ctx: Context, gene: Candidate, steps: int) -> float:
        """Forecast of one epoch of ``train``, from ``steps`` timed steps; by default of plain training."""
        from kdsearch.pruningnet.rehearsal import training_seconds

        if not isinstance(self.options, Recipe):
            raise SpecError(f"finish: {type(self).__name__} cannot forecast its time")
        net = ctx.widths.build(gene).to(ctx.device)
        return training_seconds(net, ctx.task, self.options, ctx.device, steps)

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
