"""The first screen: what the run was, and for each budget what came of it, and was it worth it; no torch here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kdsearch.costs import COSTS, FILE_SIZE, find_cost
from kdsearch.report.limits import list_limited
from kdsearch.report.run import Net, Run
from kdsearch.report.table import say_figure
from kdsearch.report.verdict import Answer, judge_budget, judge_proxy
from kdsearch.report.words import name_budget, say_cost, say_duration, say_percent

_STATES = {
    "done": "finished",
    "running": "still running, or killed: figures are those of the last save",
    "stopped": "ended before its search was through",
    "failed": "failed; what was finished is shown",
}


@dataclass(frozen=True, slots=True)
class Head:
    """Name of the run, facts about it, its state as a word and as a sentence."""

    name: str
    facts: tuple[str, ...]
    state: str
    said: str


@dataclass(frozen=True, slots=True)
class Result:
    """A winner in one sentence: its figure, its share of what the full net costs, the full net's figure.

    ``shares``: of each limited cost the share and the cost's name; ``figures``: label, value and small print each.
    """

    figure: str
    metric: str
    shares: tuple[tuple[str, str], ...]
    full: str
    figures: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Card:
    """What is to be known of a budget; ``missing``: why it has no result."""

    title: str = ""
    result: Result | None = None
    missing: str = ""
    answers: tuple[Answer, ...] = ()


def show_head(run: Run) -> Head:
    """Name, net, data and state of the run."""
    seconds = sum(run.seconds.values())
    facts = (
        run.net,
        run.data,
        f"taught by {run.teacher.name}" if run.teacher else "",
        f"seed {run.seed}",
        f"{run.trials:,} trials",
        say_duration(seconds) if seconds else "",
    )
    said = ": ".join(part for part in (_STATES.get(run.state, run.state), run.stopped, run.exhausted) if part)
    return Head(run.name, tuple(fact for fact in facts if fact), run.state, said)


def show_answers(run: Run) -> list[Card]:
    """A card for each budget; whether the score can be believed stands in the only one, or in one of its own."""
    numbers = run.budget_numbers
    if len(numbers) > 1:
        cards = [_show_budget(run, budget, name_budget(budget)) for budget in numbers]
        return [*cards, Card(answers=(judge_proxy(run),))]
    return [_show_budget(run, numbers[0] if numbers else 0, "", judge_proxy(run))]


def _show_budget(run: Run, budget: int, title: str, *more: Answer) -> Card:
    winner, answers = run.find("winner", budget), (*judge_budget(run, budget), *more)
    if winner is None:
        reached = "the search has scored some candidates" if run.done else "no candidate has been scored"
        return Card(title, missing=f"No student has been trained yet: {reached}.", answers=answers)
    return Card(title, _show_result(run, winner), answers=answers)


def _show_result(run: Run, winner: Net) -> Result:
    return Result(
        figure=run.metric.say(winner.figure),
        metric=run.metric.told,
        shares=tuple(_list_shares(run, winner)),
        full=run.metric.say(run.full.figure) if run.full else "",
        figures=tuple(_list_figures(run, winner)),
    )


def _list_shares(run: Run, winner: Net) -> Iterator[tuple[str, str]]:
    for cost in list_limited(run, winner.budget):
        value, full = winner.cost(cost), run.full_costs.get(cost)
        if value and full:
            yield say_percent(value / full, 0), find_cost(cost).label


def _list_figures(run: Run, winner: Net) -> list[tuple[str, str, str]]:
    seeds = f"mean of {winner.seeds} seeds" if winner.seeds > 1 else "one training"
    figures = [(run.metric.tested, say_figure(run, winner), seeds)]
    for row in COSTS:
        value, full = winner.cost(row.name), run.full_costs.get(row.name)
        if value is None:
            continue
        more = [f"full net {say_cost(row.name, full)}"] if full else []
        if row.name in winner.delivered and row.name != FILE_SIZE:  # which is the file's already
            more.append(f"{say_cost(row.name, winner.delivered[row.name])} as exported, fused")
        figures.append((row.label, say_cost(row.name, value), "; ".join(more)))
    return figures
