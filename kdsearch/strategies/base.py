"""What every strategy offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from kdsearch.candidates.space import Candidate, Choice, Real
from kdsearch.errors import SpecError
from kdsearch.progress import Report, Watch, unwatched
from kdsearch.spec.metric import VALIDATION
from kdsearch.spec.sections import Recipe
from kdsearch.spec.strategy_options import StrategyOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from kdsearch.context import Context
    from kdsearch.records import Trial
    from kdsearch.spec.metric import Metric
    from kdsearch.widths.space import WidthSpace


_VALIDATIONS = 10  # how many points the validation curve has; each costs a pass over the validation part


def validate_every(epochs: int, checkpoint: Path | None) -> int | None:
    """Every how many epochs a training is validated for its history: ten times in all, or at each of fewer epochs.

    None of a training without checkpoint, which is a candidate's: nobody reads its history, and a pruner that wants to
    hear of every epoch says so by its report.
    """
    return None if checkpoint is None else max(1, epochs // _VALIDATIONS)


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained compact net on the CPU or the context's device, and one record an epoch."""

    model: nn.Module
    history: tuple[Mapping[str, float], ...]


@dataclass(frozen=True, slots=True)
class Job:
    """One training of a candidate.

    ``seed``: of weights, order, augmentation and dropout; ``start``: the candidate's compact net with weights to go on
    from, which is trained in place (fresh ones without it); ``checkpoint``: a file that it goes on from if it is there,
    and saves to; ``watch``: is told of every step; ``report``: is told of every epoch and says whether to stop.
    """

    seed: int
    start: nn.Module | None = None
    checkpoint: Path | None = None
    watch: Watch = unwatched
    report: Report | None = None


def measure_trained(ctx: Context, trained: Trained) -> dict[str, float]:
    """The net's figures on the validation images: those that its last epoch left, or else taken now."""
    last = trained.history[-1] if trained.history else {}
    left = {name.removeprefix(VALIDATION): figure for name, figure in last.items() if name.startswith(VALIDATION)}
    if {ctx.task.metric.name, ctx.task.metric.stderr} <= left.keys():
        return left
    return ctx.task.evaluate(trained.model, "validation", device=ctx.device)


class Strategy(ABC):
    """How a candidate is scored and how a student is trained; ``train`` is the only obligatory method.

    What is asked of it before anything is built, such as whether it needs a teacher and what it searches beside widths,
    its ``Options`` answer. A plug-in imports torch inside its methods: reading its ``Options`` must not.
    """

    Options: ClassVar[type[StrategyOptions]] = StrategyOptions
    gives_start: ClassVar[bool] = False
    """Whether ``prepare`` leaves weights for every candidate, which ``start`` gives."""
    takes_start: ClassVar[bool] = False
    """Whether ``train`` goes on from weights that it is handed."""

    def __init__(self, options: StrategyOptions) -> None:
        self.options = options

    def check_search(self) -> None:  # noqa: B027
        """Refuses, by a SpecError, options with which it cannot score candidates, fit as they may be for ``finish``."""

    def check(self, ctx: Context) -> None:  # noqa: B027
        """Refuses, by a SpecError, what does not fit the study's net, data or teacher, before anything runs."""

    def parameters(self, widths: WidthSpace, uniform: Sequence[Candidate]) -> tuple[Choice | Real, ...]:
        """The search space: the ranges among its options, and one kept width a channel group of the student.

        Where widths are not searched each group has one choice, the ``uniform`` one of the study's only budget.
        """
        reals = tuple(
            Real(name, span.low, span.high, log=span.search == "loguniform")
            for name, span in self.options.ranges.items()
        )
        if self.options.searches_widths:
            return (*reals, *widths.parameters())
        if len(uniform) > 1:
            raise SpecError(
                "limits: several budgets go with a search of widths; give one, or strategy.search_widths: true"
            )
        fixed = uniform[0].values
        return (*reals, *(Choice(group.name, (int(fixed[group.name]),)) for group in widths.groups))

    def complete(self, gene: Candidate) -> Candidate:
        """A gene of widths as a candidate of this strategy's search: with what else is searched where it starts."""
        starts = {name: float(span.first) for name, span in self.options.ranges.items()}
        return Candidate.of(starts | gene.values, "where the search starts") if starts else gene

    def provision(self, ctx: Context, watch: Watch = unwatched) -> Mapping[str, Any]:  # noqa: ARG002
        """Figures about what trainings need beside the student; done before the first one, by the driver alone."""
        return {}

    def prepare(self, ctx: Context, watch: Watch = unwatched) -> Mapping[str, Any]:  # noqa: ARG002
        """Figures about what was prepared, once a study; what it leaves lies in ``ctx.paths.prepared``.

        ``teacher``: what ``provision`` gave, where it asks one; ``history``: a record an epoch of what was trained.
        """
        return {}

    def judge_scores(
        self,
        prepared: Mapping[str, Any],  # noqa: ARG002
        trained: Sequence[float | None],  # noqa: ARG002
        metric: Metric,  # noqa: ARG002
    ) -> Mapping[str, Any]:
        """Whether the scores that steered the search can be believed, by its own check.

        ``prepared``: what ``prepare`` found; ``trained``: what each budget's uniform net reached of the task's
        ``metric`` on validation images after its training at the end, None where it was not trained. ``verdict``:
        trusted, weak or unknown; ``advice``: sentences that say what to raise; perhaps ``ratio``, and
        ``spread`` and ``stderr`` of what ranks, as report/verdict.py words them, or ``grounds``, sentences of its own.
        """
        return {"verdict": "unknown", "advice": ["this strategy trains every candidate, so there is no proxy to judge"]}

    def judge_trained(self, metrics: Mapping[str, float]) -> float | None:  # noqa: ARG002
        """What finalists are compared by (higher is better), from figures of a trained net on the validation images.

        None where that is the headline figure; else it must be comparable with what ``score`` calls ``score``.
        """
        return None

    def stored_answers(self, ctx: Context) -> tuple[Path, ...]:  # noqa: ARG002
        """Folders of the cache that trainings read, once they have been provided for; workers are handed them."""
        return ()

    def load(self, ctx: Context) -> None:  # noqa: B027
        """Reads what ``prepare`` left, once in each process that scores or trains."""

    def score(self, ctx: Context, trial: Trial, report: Report | None = None) -> dict[str, float]:
        """The candidate's metrics; the task's headline figure on the validation part is obligatory.

        By default the student is trained, and stopped where ``report`` says so, and evaluated.
        """
        trained = self.train(ctx, trial.candidate, Job(ctx.seed, report=report))
        return measure_trained(ctx, trained)

    def rehearse(self, ctx: Context, steps: int) -> Mapping[str, float]:  # noqa: ARG002
        """Forecast of seconds: ``prepare`` in all, and ``score`` of one candidate, from ``steps`` timed steps."""
        raise SpecError(f"strategy: {type(self).__name__} cannot forecast its time; launch it without --dry-run")

    def epoch_seconds(self, ctx: Context, gene: Candidate, steps: int) -> float:
        """Forecast of one epoch of ``train`` (of all of it where it has none), by default of plain training.

        It is made from ``steps`` timed steps.
        """
        from kdsearch.training.rehearsal import training_seconds

        if not isinstance(self.options, Recipe):
            raise SpecError(f"finish: {type(self).__name__} cannot forecast its time; launch it without --dry-run")
        net = ctx.widths.build(gene).to(ctx.device)
        return training_seconds(net, ctx.task, self.options, ctx.device, steps)

    def start(self, ctx: Context, candidate: Candidate) -> nn.Module:  # noqa: ARG002
        """The candidate's compact net with the weights that the search judged it by, not trained any further."""
        raise SpecError(f"strategy: {type(self).__name__} leaves no weights to start from")

    def begin(self, ctx: Context, candidate: Candidate, job: Job) -> nn.Module:
        """The compact net to train: the one that the job hands over, where the strategy takes any, or a fresh one."""
        from kdsearch.training.initialise import initialise

        if self.takes_start and job.start is not None:
            return job.start
        net = ctx.widths.build(candidate)
        initialise(net, job.seed)
        return net

    @abstractmethod
    def train(self, ctx: Context, candidate: Candidate, job: Job) -> Trained:
        """The candidate as a trained compact net; with a ``report`` it is validated after each epoch.

        A history with figures on validation images is wanted of trainings with a checkpoint only.
        """
