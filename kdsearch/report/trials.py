"""The charts of trials: what each scored at which cost, and how the best score rose; no torch here."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from kdsearch.costs import HEADLINE
from kdsearch.records import Outcome
from kdsearch.report import charts
from kdsearch.report.charts import Axis, Frame, Point
from kdsearch.report.limits import draw_limits, find_budget, list_limits, name_limits, title_of
from kdsearch.report.page import Figure
from kdsearch.report.run import Run
from kdsearch.report.words import say_count, say_score, say_tick

MOST_TIPS = 1500  # marks beyond this many come without a text of their own, to keep the page small
_RADII = {"uniform": 7, "winner": 4.5}  # a winner that is the uniform net leaves a ring of it
_NOTHING = "No trial has been scored yet."


def draw_trials(run: Run, budget: int | None = None) -> Figure:
    """What ranks, against MACs, of every trial or of those of one budget, with the Pareto front and the budgets."""
    title = title_of("Trials: score against MACs", run, budget)
    done = [outcome for outcome in _list_ranked(run, budget) if HEADLINE in outcome.costs]
    if not done:
        return Figure(title, note=_NOTHING)
    limits = list_limits(run, budget)
    low = find_fence([outcome.merit for outcome in done])
    scored = {outcome.number: (outcome.costs[HEADLINE], max(outcome.merit, low)) for outcome in done}
    across = [point[0] for point in scored.values()] + [high for _, high in limits]
    frame = Frame(
        Axis.over(across, "multiply-adds (MACs)", say_tick, floor=0),
        _score_axis(run, [point[1] for point in scored.values()]),
    )
    front = find_front(list(scored.values()))
    tips = len(done) <= MOST_TIPS
    points = [(scored[outcome.number], _tell_trial(run, outcome) if tips else "") for outcome in done]
    trained = {role: _find_trials(run, role, scored) for role in ("uniform", "winner")}
    layers = (
        draw_limits(frame, limits),
        charts.dots(frame, points, "trial", radius=2.5),
        charts.line(frame, charts.staircase(front), "front"),
        charts.dots(frame, [(point, "") for point in front], "front", radius=3),
        *(charts.dots(frame, found, role, radius=_RADII[role]) for role, found in trained.items()),
    )
    roles = tuple((role, role) for role in ("winner", "uniform") if trained[role])
    legend = (("trial", _count_marks(done, low)), ("front", "Pareto front"), *roles, *name_limits(limits))
    return Figure(title, charts.draw(frame, *layers, about=title), legend)


def draw_progress(run: Run, budget: int | None = None) -> Figure:
    """The best score so far over the trials, of all or of one budget, beside each trial's own score."""
    title = title_of("Best score so far", run, budget)
    done = sorted(_list_ranked(run, budget), key=lambda outcome: outcome.number)
    if not done:
        return Figure(title, note=_NOTHING)
    low = find_fence([outcome.merit for outcome in done])
    points = [(float(outcome.number), max(outcome.merit, low)) for outcome in done]
    climb: list[Point] = []
    for number, score in points:
        climb.append((number, max(score, climb[-1][1]) if climb else score))
    frame = Frame(
        Axis.over([point[0] for point in points], "trial", say_tick, floor=0),
        _score_axis(run, [point[1] for point in points]),
    )
    name = "best so far"
    layers = (
        charts.dots(frame, [(point, "") for point in points], "trial", radius=2),
        charts.line(frame, charts.staircase(climb), "winner", tip=name),
    )
    return Figure(
        title, charts.draw(frame, *layers, about=title), (("winner", name), ("trial", _count_marks(done, low)))
    )


def _list_ranked(run: Run, budget: int | None) -> list[Outcome]:
    """The trials whose merit is a number, of one budget if one is given."""
    ranked = (outcome for outcome in run.done if math.isfinite(outcome.merit))
    return [outcome for outcome in ranked if budget is None or find_budget(run, outcome) == budget]


def find_front(points: Sequence[Point]) -> list[Point]:
    """The points that no other one beats at the same or lower MACs, by rising MACs."""
    front: list[Point] = []
    for point in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or point[1] > front[-1][1]:
            front.append(point)
    return front


def find_fence(values: Sequence[float]) -> float:
    """Below it lie outliers that would squeeze all others: three interquartile ranges under the lower quartile (Tukey).

    They are drawn on the lower edge of a chart. The lowest value where nothing lies that far out.
    """
    if len(values) < 4:
        return min(values)
    lower, _, upper = statistics.quantiles(values, n=4)
    return max(min(values), lower - 3 * (upper - lower))


def _find_trials(run: Run, role: str, scored: Mapping[int, Point]) -> list[tuple[Point, str]]:
    """The trials that scored the trained nets of a role."""
    wanted = [dict(net.candidate) for net in run.nets if net.role == role]
    found = [outcome for outcome in run.done if outcome.number in scored and outcome.candidate.values in wanted]
    return [(scored[outcome.number], f"{role}: {_tell_trial(run, outcome)}") for outcome in found]


def _count_marks(done: Sequence[Outcome], low: float) -> str:
    below = sum(outcome.merit < low for outcome in done)
    return f"{len(done):,} trials" + (f", {below:,} of them below the edge" if below else "")


def _score_axis(run: Run, values: Sequence[float]) -> Axis:
    """An axis of merits: better is higher up, and a tick is told as the figure that it stands for."""
    metric = run.ranking
    label, floor = f"{metric.axis} ({metric.validated_on})", metric.least if metric.better == "higher" else None
    return Axis.over(values, label, lambda merit: metric.say_tick(metric.merit(merit)), floor=floor)


def _tell_trial(run: Run, outcome: Outcome) -> str:
    origin = f" ({outcome.candidate.origin})" if outcome.candidate.origin else ""
    return f"trial {outcome.number}{origin}: {say_score(outcome, run.score)}, {say_count(outcome.costs[HEADLINE])} MACs"
