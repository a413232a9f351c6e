"""The budgets of a run as lines on a chart, and which of them a trial belongs to; no torch here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from kdsearch.costs import HEADLINE, find_cost
from kdsearch.records import Outcome
from kdsearch.report import charts
from kdsearch.report.charts import Frame
from kdsearch.report.run import Net, Run
from kdsearch.report.words import say_cost, say_count

Limits = Sequence[tuple[int, float]]


def list_limits(run: Run, budget: int | None = None) -> list[tuple[int, float]]:
    """(Number, MACs) of every budget, or of one; those that limit something else are left out."""
    numbered = enumerate(run.budgets)
    return [(at, each[HEADLINE][1]) for at, each in numbered if HEADLINE in each and budget in (None, at)]


def list_limited(run: Run, budget: int | None) -> tuple[str, ...]:
    """The costs that a budget limits, which sentences then name; the charts' one where it limits none."""
    limited = run.budgets[budget] if budget is not None and budget < len(run.budgets) else {}
    return tuple(limited) or (HEADLINE,)


def say_costs(net: Net, names: Iterable[str]) -> str:
    """What a net has of each cost that was measured: ``74.6 M MACs, 3.2 MB``."""
    costs = [(find_cost(name), value) for name in names if (value := net.cost(name)) is not None]
    return ", ".join(f"{say_cost(cost.name, value)} {cost.noun}".rstrip() for cost, value in costs)


def draw_limits(frame: Frame, limits: Limits) -> Markup:
    """The budgets as upright lines, numbered where there are several."""
    lines = []
    for number, high in limits:
        name = str(number + 1) if len(limits) > 1 else ""
        tip = f"budget {name}".rstrip() + f": {say_count(high)} MACs"
        lines.append(charts.upright(frame, high, "budget", tip, name=name))
    return Markup("").join(lines)


def name_limits(limits: Limits) -> tuple[tuple[str, str], ...]:
    """The legend of ``draw_limits``."""
    return (("budget", "budgets" if len(limits) > 1 else "budget"),) if limits else ()


def find_budget(run: Run, outcome: Outcome) -> int:
    """The tightest budget that the outcome fits; the last one if it fits none."""
    fitting = [
        (sum(high for _, high in budget.values()), number)
        for number, budget in enumerate(run.budgets)
        if all(outcome.costs.get(cost, 0) <= high for cost, (_, high) in budget.items())
    ]
    return min(fitting, default=(0.0, max(len(run.budgets) - 1, 0)))[1]


def title_of(words: str, run: Run, budget: int | None) -> str:
    """A chart's title, with the budget that it is of where the run has several."""
    return words if budget is None or len(run.budgets) < 2 else f"{words}, budget {budget + 1}"
