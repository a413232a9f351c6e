"""Which charts a run's report has, and that of the nets which were trained to the end; no torch here."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from kdsearch.costs import HEADLINE
from kdsearch.report import charts
from kdsearch.report.charts import SHAPES, Axis, Frame
from kdsearch.report.curves import draw_final_curves, draw_preparation
from kdsearch.report.limits import draw_limits, list_limits, name_limits
from kdsearch.report.page import Figure
from kdsearch.report.run import Net, Run
from kdsearch.report.trials import draw_progress, draw_trials
from kdsearch.report.widths import draw_widths
from kdsearch.report.words import say_count, say_tick

_ORDER = {"winner": 0, "uniform": 1, "scratch": 2, "random": 3, "full": 4, "given": 5, "teacher": 6}
_APART = 5  # pixels between whiskers that would lie on one another
_CLOSE = 8  # pixels
_WIDEST = 1.5  # times the largest trained net's MACs: a teacher beyond would squeeze all others, and is told in words
_LOWER = {"higher": "", "lower": " (lower is better)"}


def draw_figures(run: Run) -> list[Figure]:
    """The charts of a search of widths, in reading order; where widths are fixed, those that say something.

    Of several budgets each has its own: their scores lie so far apart that one axis would flatten them all.
    """
    budgets = run.budget_numbers if len(run.budgets) > 1 else (None,)
    if run.fixed_widths:
        return [
            *(draw_progress(run, budget) for budget in budgets),
            *(draw_final_curves(run, each) for each in budgets),
        ]
    drawn = [draw_trained(run)]
    if len(budgets) > 1:
        drawn.append(draw_trials(run))
    for budget in budgets:
        drawn += [draw_trials(run, budget), draw_progress(run, budget)]
        drawn += [draw_widths(run, number) for number in ([budget] if budget is not None else run.budget_numbers)]
        drawn.append(draw_final_curves(run, budget))
    return [*drawn, draw_preparation(run)] if run.prepared_history or not run.nets else drawn


def draw_trained(run: Run) -> Figure:
    """The headline figure at the end against MACs of every net with one, with spreads and budgets.

    Colour is the role, shape the budget.
    """
    title = f"Trained nets: {run.metric.words} against MACs"
    if not run.nets:
        return Figure(title, note="No net has been trained to the end yet.")
    widest = _WIDEST * max(net.costs[HEADLINE] for net in run.nets)
    nets = [*run.nets, *(net for net in run.references if net.costs.get(HEADLINE, math.inf) <= widest)]
    beyond = [(net.role, f"{_tell_net(run, net)} (beyond)") for net in run.references if net not in nets]
    reach = [end for net in nets for end in (net.figure - (net.spread or 0), net.figure + (net.spread or 0))]
    limits = list_limits(run)
    across = [net.costs[HEADLINE] for net in nets] + [high for _, high in limits]
    frame = Frame(
        Axis.over(across, "multiply-adds (MACs)", say_tick, floor=0),
        Axis.over(
            reach, f"{run.metric.tested_axis}{_LOWER[run.metric.better]}", run.metric.say_tick, floor=run.metric.least
        ),
    )
    return Figure(
        title,
        charts.draw(frame, draw_limits(frame, limits), *_draw_nets(run, frame, nets), about=title),
        (*_list_roles(nets), *_list_shapes(run, nets), *name_limits(limits), *beyond),
    )


def _draw_nets(run: Run, frame: Frame, nets: Sequence[Net]) -> list[Markup]:
    """The nets, the winner's marks on top; marks that would hide one another are moved apart a little."""
    drawn = []
    shifts = _find_shifts(frame, nets)
    for net in sorted(nets, key=lambda net: _ORDER.get(net.role, 0), reverse=True):
        point = (net.costs[HEADLINE], net.figure)
        moved = frame.moved(shifts[net.id])
        drawn.append(charts.whisker(moved, point, net.spread, net.role) if net.spread else Markup(""))
        shape = SHAPES[(net.budget or 0) % len(SHAPES)]
        drawn.append(charts.dots(moved, [(point, _tell_net(run, net))], net.role, radius=5, shape=shape))
    return drawn


def _find_shifts(frame: Frame, nets: Sequence[Net]) -> dict[str, float]:
    """By how many pixels each net's mark is moved sideways: nets of one budget have nearly the same MACs."""
    shifts: dict[str, float] = {}
    taken: list[tuple[float, float, float]] = []
    for net in sorted(nets, key=lambda net: (_ORDER.get(net.role, 0), net.id)):
        x, y = frame.at((net.costs[HEADLINE], net.figure))
        _, top = frame.at((net.costs[HEADLINE], net.figure + (net.spread or 0)))
        half = max(y - top, _CLOSE / 2)
        steps = (step * sign * _APART for step in range(len(nets) + 1) for sign in (1, -1))
        free = (shift for shift in steps if all(_apart((x + shift, y, half), other) for other in taken))
        shift = shifts[net.id] = next(free)
        taken.append((x + shift, y, half))
    return shifts


def _apart(mark: tuple[float, float, float], other: tuple[float, float, float]) -> bool:
    """Whether of two marks, each a point and half its height, neither hides the other."""
    return abs(mark[0] - other[0]) >= _CLOSE or abs(mark[1] - other[1]) >= mark[2] + other[2]


def _list_roles(nets: Sequence[Net]) -> list[tuple[str, str]]:
    roles = dict.fromkeys(sorted((net.role for net in nets), key=lambda role: _ORDER.get(role, 0)))
    return [(role, role) for role in roles]


def _list_shapes(run: Run, nets: Sequence[Net]) -> list[tuple[str, str]]:
    if len(run.budgets) < 2:
        return []
    budgets = sorted({net.budget for net in nets if net.budget is not None})
    return [(f"trial {SHAPES[budget % len(SHAPES)]}", f"budget {budget + 1}") for budget in budgets]


def _tell_net(run: Run, net: Net) -> str:
    said = run.metric.say_spread(net.figure, net.spread) if net.spread else run.metric.say(net.figure)
    macs = net.cost(HEADLINE)
    return f"{net.id}: {said}, {'unknown' if macs is None else say_count(macs)} MACs"
