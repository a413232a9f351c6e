"""A run as its report sees it, read from summary.json and the ledger; no torch here.

A run may have stopped anywhere: every part of the summary but its name may be missing, and says so as None or empty.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kdsearch.records import Outcome
from kdsearch.spec.metric import ACCURACY, Metric

History = tuple[Mapping[str, float], ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """One channel group: its name, its channels in the full net and how many are kept."""

    name: str
    full: int
    kept: int


@dataclass(frozen=True, slots=True)
class Net:
    """A trained net of the final table. ``figure``: the task's headline one on the test part; ``spread``: deviation.

    ``seeds``: how many trainings ``figure`` is the mean of; ``budget``: the budget it was made for, None for the
    full net; ``delivered``: costs of the exported net where fusing its blocks changed them.
    """

    id: str
    role: str
    budget: int | None
    widths: Mapping[str, Any]
    figure: float | None
    spread: float | None
    seeds: int
    costs: Mapping[str, float]
    files: Mapping[str, str]
    parity: Mapping[str, float]
    history: History
    origin: str
    layers: tuple[Layer, ...]
    candidate: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    delivered: Mapping[str, float] = field(default_factory=dict)

    @property
    def amounts(self) -> dict[str, float]:
        """Its real parameters, such as the weights of a loss's terms; empty where only widths were searched."""
        return {name: value for name, value in self.candidate.items() if isinstance(value, float)}

    def cost(self, name: str) -> float | None:
        return self.costs.get(name)


@dataclass(frozen=True, slots=True)
class Run:
    """What the report is made of. ``budgets``: for each, cost name to (low or None, high).

    ``references``: the nets that the study started from, as they are.
    """

    summary: Mapping[str, Any]
    outcomes: tuple[Outcome, ...]
    nets: tuple[Net, ...]
    budgets: tuple[Mapping[str, tuple[float | None, float]], ...]
    full_costs: Mapping[str, float]
    prepared_history: History = ()
    front: tuple[int, ...] = ()
    test_images: int | None = None
    proxy: Mapping[str, Any] = field(default_factory=dict)
    metric: Metric = ACCURACY
    references: tuple[Net, ...] = ()

    @property
    def name(self) -> str:
        return str(self.summary.get("name", "run"))

    @property
    def state(self) -> str:
        return str(self.summary.get("state", "unknown"))

    def section(self, key: str) -> Mapping[str, Any]:
        """A part of the summary that is a mapping; empty if the run did not get so far."""
        found = self.summary.get(key)
        return found if isinstance(found, Mapping) else {}

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
    def by_likelihood(self) -> bool:
        """Whether candidates were compared by the likelihood of the validation labels, or by the task's metric."""
        return any("score" in outcome.metrics for outcome in self.done)


def read_run(summary: Mapping[str, Any], outcomes: Sequence[Outcome]) -> Run:
    """The run that a summary of schema 1 and the ledger's outcomes describe."""
    task = summary.get("task") or {}
    metric = Metric.of(task.get("metric"))
    nets = tuple(_read_net(about, metric) for about in summary.get("students") or ())
    full = summary.get("full") or {}
    prepared = summary.get("prepared") or {}
    return Run(
        summary=summary,
        outcomes=tuple(outcomes),
        nets=_with_full(nets, full, metric),
        budgets=tuple(_read_budget(about) for about in summary.get("budgets") or ()),
        full_costs=full.get("costs") or {},
        prepared_history=tuple(prepared.get("history") or ()),
        front=tuple(summary.get("front") or ()),
        test_images=task.get("test_images"),
        proxy=summary.get("proxy") or {},
        metric=metric,
        references=tuple(_read_net(about, metric) for about in summary.get("references") or ()),
    )


def _with_full(nets: tuple[Net, ...], full: Mapping[str, Any], metric: Metric) -> tuple[Net, ...]:
    """The nets and the full net, where the summary tells it apart only."""
    if any(net.role == "full" for net in nets) or not full.get("metrics"):
        return nets
    return (*nets, _read_net({"id": "full", "role": "full", **full}, metric))


def _read_budget(about: Mapping[str, Sequence[float | None]]) -> dict[str, tuple[float | None, float]]:
    return {cost: (low, float(high or 0)) for cost, (low, high) in about.items()}


def _read_net(about: Mapping[str, Any], metric: Metric) -> Net:
    lineage = about.get("lineage") or {}
    role = str(about.get("role", "winner"))
    budget = about.get("budget", lineage.get("budget"))
    return Net(
        id=str(about.get("id", role)),
        role=role,
        budget=None if role in ("full", "given", "teacher") else int(budget or 0),
        widths=about.get("widths") or {},
        figure=(about.get("metrics") or {}).get(metric.name),
        spread=(about.get("spread") or {}).get(metric.name),
        seeds=max(1, len(lineage.get("seeds") or ())),
        costs=about.get("costs") or {},
        files=about.get("files") or {},
        parity=about.get("parity") or {},
        history=tuple(about.get("history") or ()),
        origin=str(lineage.get("origin") or about.get("origin") or ""),
        layers=tuple(Layer(str(name), int(full), int(kept)) for name, full, kept in about.get("layer_widths") or ()),
        candidate=about.get("candidate") or about.get("widths") or {},
        details=about.get("details") or {},
        delivered=lineage.get("delivered") or {},
    )
