"""Charts of what a search of amounts found, such as the weights of a loss's terms; no torch here."""

from __future__ import annotations

import math

from kdsearch.records import Outcome
from kdsearch.report import charts
from kdsearch.report.charts import Axis, Frame, Point
from kdsearch.report.page import Figure
from kdsearch.report.run import Run

_WIDE = 30  # largest over smallest value from which an axis is logarithmic


def draw_amounts(run: Run) -> list[Figure]:
    """Score against each real parameter of the search, one chart each; none where only widths were searched."""
    names = sorted({name for outcome in run.done for name in outcome.candidate.reals})
    return [_draw_amount(run, name) for name in names]


def _draw_amount(run: Run, name: str) -> Figure:
    title = f"Score against {name}"
    done = [outcome for outcome in run.done if name in outcome.candidate.reals]
    values = [outcome.candidate.reals[name] for outcome in done]
    logarithmic = min(values) > 0 and max(values) / min(values) >= _WIDE
    scores = [outcome.figure for outcome in done]
    metric = run.metric.on_validation
    upward = Axis.over(scores, f"{metric.axis} ({metric.validated_on})", metric.say_tick, floor=metric.least)
    frame = Frame(_axis(name, values, logarithmic), upward)

    def at(outcome: Outcome) -> Point:
        value = outcome.candidate.reals[name]
        return (math.log10(value) if logarithmic else value, outcome.figure)

    def points(kept: list[Outcome]) -> list[tuple[Point, str]]:
        return [(at(outcome), _tell(outcome)) for outcome in kept]

    stopped = [outcome for outcome in done if outcome.metrics.get("pruned")]
    whole = [outcome for outcome in done if not outcome.metrics.get("pruned")]
    layers, legend = [], []
    groups = (("trial", "trained to the end", whole, 3.0), ("given-up", "stopped by the pruner", stopped, 2.5))
    chosen = tuple((role, role, _trials_of(run, role, done), 5.0) for role in ("uniform", "winner"))
    for kind, words, kept, radius in (*groups, *chosen):
        if kept:
            layers.append(charts.dots(frame, points(kept), kind, radius=radius))
            legend.append((kind, "start" if words == "uniform" else words))
    return Figure(title, charts.draw(frame, *layers, about=title), tuple(legend))


def _axis(name: str, values: list[float], logarithmic: bool) -> Axis:
    if logarithmic:
        return Axis.over([math.log10(value) for value in values], f"{name} (logarithmic)", lambda at: f"{10**at:.3g}")
    return Axis.over(values, name, lambda at: f"{at:.3g}", floor=0)


def _trials_of(run: Run, role: str, done: list[Outcome]) -> list[Outcome]:
    wanted = [dict(net.candidate) for net in run.nets if net.role == role]
    return [outcome for outcome in done if outcome.candidate.values in wanted]


def _tell(outcome: Outcome) -> str:
    said = ", ".join(f"{name} {value:.3g}" for name, value in outcome.candidate.reals.items())
    return f"trial {outcome.number}: {outcome.metric.say(outcome.figure, 1)}, {said}"
