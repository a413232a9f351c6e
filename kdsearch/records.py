"""The records that pass between the parts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from kdsearch.candidates.space import Candidate
from kdsearch.costs import HEADLINE
from kdsearch.spec.metric import ACCURACY, Metric
from kdsearch.spec.strategy_options import Start

Role = Literal["winner", "uniform", "scratch", "random", "full"]
"""What a net of the final table is there for."""

SCORE = "score"
"""The metric by which candidates are ranked where a strategy gives it, instead of by the headline figure."""


def comparable(figure: float) -> float:
    """The figure by which candidates are ordered, higher is better; minus infinity for what is not finite."""
    return figure if math.isfinite(figure) else -math.inf


@dataclass(frozen=True, slots=True)
class Trial:
    """All that a worker is sent: the candidate's number, the candidate, and what it has to beat.

    ``bar`` is the merit that the candidate must be able to reach to matter; scoring may stop early when it
    cannot. None: score it in full.
    """

    number: int
    candidate: Candidate
    bar: float | None = None


@dataclass(frozen=True, slots=True)
class Reported:
    """What a worker says after each epoch of a trial: the task's headline figure on the validation images.

    The answer is whether to train no further. ``epoch``: from 1.
    """

    number: int
    epoch: int
    value: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a trial; ``seconds``: wall time. ``costs``: lower is better.

    ``metrics``: the task's headline figure, which ``metric`` describes, and what else the strategy says.

    ``curve``: the headline figure on the validation images after each epoch, where it was trained for its score;
    ``metrics`` then say whether it was ``pruned``, stopped on its way.
    """

    number: int
    candidate: Candidate
    state: Literal["done", "failed"]
    metrics: Mapping[str, float] = field(default_factory=dict)
    costs: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    traceback: str = ""
    curve: tuple[float, ...] = ()
    metric: Metric = ACCURACY

    @property
    def reason(self) -> str:
        """Why it failed, in a line; empty if it did not."""
        return self.traceback.strip().splitlines()[-1] if self.traceback.strip() else ""

    @property
    def partial(self) -> bool:
        """Whether it was given up on its way, by racing or for its curve: it ranks for the search, but is no result."""
        return bool(self.metrics.get("dropped")) or bool(self.metrics.get("pruned"))

    @property
    def merit(self) -> float:
        """What candidates are compared by, higher is better: ``score`` where the strategy gives one, else the metric's.

        Minus infinity if the trial failed or it is not a number.
        """
        if self.state != "done":
            return -math.inf
        return comparable(self.metrics[SCORE] if SCORE in self.metrics else self.metric.merit(self.figure))

    @property
    def figure(self) -> float:
        """The task's headline figure, as it is."""
        return self.metrics[self.metric.name]

    @property
    def merit_stderr(self) -> float:
        """The standard error of ``merit``, 0 where the strategy gives none."""
        return self.metrics.get("score_stderr" if SCORE in self.metrics else self.metric.stderr, 0.0)


@dataclass(frozen=True, slots=True)
class Training:
    """A net to train to the end: its name (also of its files), gene and seed, and the epochs if not the recipe's.

    ``start``: from fresh weights, or from those that the search's strategy has for the gene.
    """

    name: str
    candidate: Candidate
    seed: int
    epochs: int | None = None
    start: Start = "scratch"


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What came of a training, by value: figures on the validation part, one record an epoch, and the weights.

    ``weights``: the net's state dict as the bytes of a safetensors file.
    """

    name: str
    seed: int
    metrics: Mapping[str, float]
    history: tuple[Mapping[str, float], ...]
    weights: bytes


@dataclass(frozen=True, slots=True)
class CheckpointAsked:
    """What a worker says before a training; the answer is the bytes of its checkpoint, None if there is none."""


@dataclass(frozen=True, slots=True)
class CheckpointMade:
    """What a worker says now and then during a training: the bytes of its checkpoint, for the driver to keep."""

    content: bytes


@dataclass(frozen=True, slots=True)
class PictureMade:
    """What a worker says of an epoch that left something to see; ``of``: the name of a trial or a training."""

    of: str
    epoch: int
    png: bytes


@dataclass(frozen=True, slots=True)
class Finalist:
    """A candidate in one round of finalists: for which budget, for how many epochs, and what it reached.

    ``figure``: the task's headline figure on the validation images; ``score``: what finalists are compared by where
    that is another one, higher is better.
    """

    budget: int
    round: int
    epochs: int
    candidate: Candidate
    figure: float
    score: float | None = None
    metric: Metric = ACCURACY

    @property
    def merit(self) -> float:
        """What finalists of a round are compared by, higher is better; minus infinity if it is not a number."""
        return comparable(self.metric.merit(self.figure) if self.score is None else self.score)


@dataclass(frozen=True, slots=True)
class Student:
    """A trained net that the run gives back.

    ``role`` is winner, uniform, random or full. ``metrics`` and ``costs`` as in ``Outcome``; with several seeds the
    metrics are means and ``spread`` holds the standard deviations. ``files``: format to path relative to the run
    directory; ``parity``: format to the largest absolute difference from the eager net. ``details``: what else the
    reading of the test images showed, of the exported net.
    """

    id: str
    role: Role
    candidate: Candidate
    metrics: Mapping[str, float]
    spread: Mapping[str, float]
    costs: Mapping[str, float]
    files: Mapping[str, str] = field(default_factory=dict)
    parity: Mapping[str, float] = field(default_factory=dict)
    history: tuple[Mapping[str, float], ...] = ()
    lineage: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunPaths:
    """Where things lie in a run directory, or with a worker, which may find elsewhere what was prepared.

    ``root`` may be given as text.
    """

    root: Path
    prepared_in: Path | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", Path(self.root))

    @property
    def prepared(self) -> Path:
        return self.prepared_in or self.root / "prepared"

    @property
    def bank(self) -> Path:
        return self.root / "bank"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"

    @property
    def students(self) -> Path:
        return self.root / "students"

    @property
    def pictures(self) -> Path:
        return self.root / "pictures"

    @property
    def logs(self) -> Path:
        return self.root / "logs"


def pareto_front(outcomes: Iterable[Outcome], *, cost: str = HEADLINE) -> tuple[Outcome, ...]:
    """The outcomes that no other beats in both the headline figure and ``cost``, cheapest first.

    Failures are left out, and partial outcomes: what a candidate had when it was given up is no figure of all images.
    Of equals in both the one with the lowest number stays.
    """
    whole = (outcome for outcome in outcomes if outcome.state == "done" and not outcome.partial)
    done = [(outcome.metric.merit(outcome.figure), outcome) for outcome in whole if math.isfinite(outcome.figure)]
    front: list[Outcome] = []
    best = -math.inf
    for merit, outcome in sorted(done, key=lambda each: (each[1].costs[cost], -each[0], each[1].number)):
        if merit > best:
            front.append(outcome)
            best = merit
    return tuple(front)
