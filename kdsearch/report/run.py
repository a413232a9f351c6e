"""A run as its report sees it; no torch here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kdsearch.measures.ranks import RankAgreement
from kdsearch.records import Finalist, Outcome
from kdsearch.spec.metric import Metric

History = tuple[Mapping[str, float], ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """One channel group: its name, its channels in the full net and how many are kept."""

    name: str
    full: int
    kept: int


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """A class of the task: its test images, the share that is known (None without images), and its answers by class."""

    name: str
    images: int
    accuracy: float | None
    answers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Net:
    """A trained net of the final table. ``figure``: the task's headline one on the test part; ``spread``: deviation.

    ``seeds``: how many trainings ``figure`` is the mean of; ``budget``: the budget it was made for, None for a net
    that was made for none; ``delivered``: costs of the exported net where fusing its blocks changed them;
    ``unmeasured``: name of a cost to why it has none.
    """

    id: str
    role: str
    budget: int | None
    figure: float
    costs: Mapping[str, float]
    spread: float | None = None
    seeds: int = 1
    widths: Mapping[str, int] = field(default_factory=dict)
    candidate: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    parity: Mapping[str, float] = field(default_factory=dict)
    history: History = ()
    origin: str = ""
    layers: tuple[Layer, ...] = ()
    classes: tuple[ClassFigures, ...] = ()
    delivered: Mapping[str, float] = field(default_factory=dict)
    unmeasured: Mapping[str, str] = field(default_factory=dict)

    @property
    def amounts(self) -> dict[str, float]:
        """Its real parameters, such as the weights of a loss's terms; empty where only widths were searched."""
        return {name: value for name, value in self.candidate.items() if isinstance(value, float)}

    def cost(self, name: str) -> float | None:
        return self.costs.get(name)


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether scores could be believed, as the strategy judges its own; ``rank``: of finalists, if it is known."""

    verdict: str = "unknown"
    advice: tuple[str, ...] = ()
    grounds: tuple[str, ...] = ()
    ratio: float | None = None
    spread: float | None = None
    stderr: float | None = None
    rank: RankAgreement | None = None
    rank_unknown: str = ""


@dataclass(frozen=True, slots=True)
class TeacherFacts:
    """The study's teacher; ``asked``: how it was asked and why, each way once."""

    name: str
    asked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """What the report is made of. ``budgets``: for each, cost name to (low or None, high).

    ``score``: what candidates were compared by where that is a figure of its own, None: by ``metric``, the task's.
    ``references``: the nets that the study started from, as they are. ``trials`` and ``failed``: how many were run.
    """

    name: str
    state: str
    stopped: str
    exhausted: str
    run_dir: str
    seed: int
    net: str
    data: str
    digest: str
    notes: tuple[str, ...]
    metric: Metric
    score: Metric | None
    outcomes: tuple[Outcome, ...]
    trials: int
    failed: int
    nets: tuple[Net, ...]
    references: tuple[Net, ...]
    budgets: tuple[Mapping[str, tuple[float | None, float]], ...]
    full_costs: Mapping[str, float]
    finalists: tuple[Finalist, ...]
    judgement: Judgement
    teacher: TeacherFacts | None
    prepared_history: History
    versions: Mapping[str, str]
    seconds: Mapping[str, float]
    commands: Mapping[str, str]

    def find(self, role: str, budget: int | None) -> Net | None:
        """The first net of a role for a budget."""
        return next(iter(self.find_all(role, budget)), None)

    def find_all(self, role: str, budget: int | None) -> list[Net]:
        return [net for net in self.nets if net.role == role and net.budget == budget]

    @property
    def full(self) -> Net | None:
        return next((net for net in self.nets if net.role == "full"), None)

    @property
    def budget_numbers(self) -> tuple[int, ...]:
        """The budgets that have a winner, or all budgets if none has one yet."""
        won = sorted({net.budget for net in self.nets if net.role == "winner" and net.budget is not None})
        return tuple(won) or tuple(range(len(self.budgets)))

    @property
    def fixed_widths(self) -> bool:
        """Whether only amounts were searched, such as the weights of a loss: every trial has the same widths."""
        widths = {tuple(sorted(outcome.candidate.widths.items())) for outcome in self.outcomes}
        return len(widths) == 1 and any(outcome.candidate.reals for outcome in self.outcomes)

    @property
    def done(self) -> tuple[Outcome, ...]:
        """The trials that have a score."""
        return tuple(
            outcome
            for outcome in self.outcomes
            if outcome.state == "done" and math.isfinite(outcome.metrics.get(outcome.metric.name, math.nan))
        )

    @property
    def ranking(self) -> Metric:
        """What candidates were compared by."""
        return self.score or self.metric.on_validation
