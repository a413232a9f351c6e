"""The charts of a run's report: what is drawn, from which figures; no torch here."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kdsearch.costs import HEADLINE
from kdsearch.records import Outcome
from kdsearch.report import charts
from kdsearch.report.charts import Axis, Frame, Point
from kdsearch.report.reading import History, Net, Run
from kdsearch.report.words import say_count, say_percent, say_score, say_tick, say_value
from kdsearch.spec.metric import Metric

MOST_TIPS = 1500  # dots beyond this many come without a text of their own, to keep the page small


@dataclass(frozen=True, slots=True)
class Figure:
    """A titled chart with its legend (CSS kind to words), or the sentence that says why there is none."""

    title: str
    svg: str = ""
    legend: tuple[tuple[str, str], ...] = ()
    note: str = ""


def draw_figures(run: Run) -> list[Figure]:
    """The charts of a search of widths, in reading order; where widths are fixed, those that say something."""
    if run.fixed_widths:
        return [draw_progress(run), draw_final_curves(run)]
    drawn = [
        draw_trained(run),
        draw_trials(run),
        draw_progress(run),
        *(draw_widths(run, budget) for budget in run.budget_numbers),
        draw_final_curves(run),
    ]
    return [*drawn, draw_preparation(run)] if run.prepared_history or not run.nets else drawn


def draw_trained(run: Run) -> Figure:
    """The headline figure on test images against MACs of every net trained to the end, with spreads and budgets."""
    title = f"Trained nets: {run.metric.words} against MACs"
    nets = [net for net in run.nets if net.figure is not None and HEADLINE in net.costs]
    if not nets:
        return Figure(title, note="No net has been trained to the end yet.")
    reach = [end for net in nets for end in (net.figure - (net.spread or 0), net.figure + (net.spread or 0))]  # type: ignore[operator]
    limits = _macs_limits(run)
    frame = Frame(
        Axis.over([net.costs[HEADLINE] for net in nets] + limits, "multiply-adds (MACs)", say_tick, floor=0),
        Axis.over(reach, f"test {run.metric.words}", run.metric.say_tick, floor=run.metric.least),
    )
    drawn = []
    for net in sorted(nets, key=lambda net: _ORDER.get(net.role, 0), reverse=True):
        point = (net.costs[HEADLINE], float(net.figure or 0))
        drawn.append(charts.whisker(frame, point, net.spread, net.role) if net.spread else "")
        drawn.append(charts.dots(frame, [(point, _tell_net(run, net))], net.role, radius=5))
    roles = dict.fromkeys(sorted((net.role for net in nets), key=lambda role: _ORDER.get(role, 0)))
    legend = (*((role, role) for role in roles), *_budget_legend(limits))
    return Figure(title, charts.draw(frame, _budget_lines(frame, limits), *drawn, about=title), legend)


def draw_trials(run: Run) -> Figure:
    """What ranks, against MACs, of every trial, with the Pareto front and the budgets."""
    title = "Trials: score against MACs"
    done = [outcome for outcome in run.done if HEADLINE in outcome.costs and math.isfinite(outcome.merit)]
    if not done:
        return Figure(title, note="No trial has been scored yet.")
    limits = _macs_limits(run)
    low = find_fence([outcome.merit for outcome in done])
    scored = {outcome.number: (outcome.costs[HEADLINE], max(outcome.merit, low)) for outcome in done}
    frame = Frame(
        Axis.over([point[0] for point in scored.values()] + limits, "multiply-adds (MACs)", say_tick, floor=0),
        _score_axis(run, [point[1] for point in scored.values()]),
    )
    front = find_front(list(scored.values()))
    tips = len(done) <= MOST_TIPS
    points = [(scored[outcome.number], _tell_trial(outcome) if tips else "") for outcome in done]
    layers = (
        _budget_lines(frame, limits),
        charts.dots(frame, points, "trial", radius=2.5),
        charts.line(frame, charts.staircase(front), "front"),
        charts.dots(frame, [(point, "") for point in front], "front", radius=3),
        *(charts.dots(frame, _find_trials(run, role, scored), role, radius=5) for role in ("uniform", "winner")),
    )
    trained = tuple((role, role) for role in ("winner", "uniform") if _find_trials(run, role, scored))
    legend = (("trial", _count_dots(done, low)), ("front", "Pareto front"), *trained, *_budget_legend(limits))
    return Figure(title, charts.draw(frame, *layers, about=title), legend)


def draw_progress(run: Run) -> Figure:
    """The best score so far over the trials, one line a budget, beside each trial's own score."""
    title = "Best score so far"
    ranked = (outcome for outcome in run.done if math.isfinite(outcome.merit))
    done = sorted(ranked, key=lambda outcome: outcome.number)
    if not done:
        return Figure(title, note="No trial has been scored yet.")
    low = find_fence([outcome.merit for outcome in done])
    points: list[Point] = []
    climbs: dict[int, list[Point]] = {}
    for outcome in done:
        number, score = float(outcome.number), max(outcome.merit, low)
        points.append((number, score))
        climb = climbs.setdefault(find_budget(run, outcome), [])
        climb.append((number, max(score, climb[-1][1]) if climb else score))
    frame = Frame(
        Axis.over([point[0] for point in points], "trial", say_tick, floor=0),
        _score_axis(run, [point[1] for point in points]),
    )
    layers, legend = [charts.dots(frame, [(point, "") for point in points], "trial", radius=2)], []
    for budget, climb in sorted(climbs.items()):
        kind = _LINES[budget % len(_LINES)]
        name = "best so far" + (f", budget {budget + 1}" if len(climbs) > 1 else "")
        layers.append(charts.line(frame, [*charts.staircase(climb), (points[-1][0], climb[-1][1])], kind, tip=name))
        legend.append((kind, name))
    return Figure(title, charts.draw(frame, *layers, about=title), (*legend, ("trial", _count_dots(done, low))))


def draw_widths(run: Run, budget: int) -> Figure:
    """Kept share of each layer's channels in the winner, against the full net and the uniform-width net."""
    winner, uniform = run.find("winner", budget), run.find("uniform", budget)
    title = "Kept channels of each layer" + (f", budget {budget + 1}" if len(run.budget_numbers) > 1 else "")
    if winner is None or not winner.layers:
        return Figure(title, note="No winner has been built yet.")
    count = len(winner.layers)
    numbers = Axis(0.4, count + 0.6, _layer_ticks(count), "layer, from the input to the output", say_tick)
    frame = Frame(numbers, Axis(0, 1.02, (0, 0.25, 0.5, 0.75, 1), "channels kept", lambda share: say_percent(share, 0)))
    shares = [
        (layer.kept / layer.full, f"{layer.name}: {layer.kept} of {layer.full} channels") for layer in winner.layers
    ]
    layers = [charts.bars(frame, [(1, tip) for _, tip in shares], "full"), charts.bars(frame, shares, "winner")]
    legend = [("winner", "winner"), ("full", "full net")]
    if uniform is not None and uniform.layers:
        layers.append(charts.marks(frame, [layer.kept / layer.full for layer in uniform.layers], "uniform"))
        legend.insert(1, ("uniform", "uniform widths"))
    return Figure(title, charts.draw(frame, *layers, about=title), tuple(legend))


def draw_final_curves(run: Run) -> Figure:
    """Training curves of the final nets: the headline figure on validation images where measured, else the loss."""
    title = "Training of the final nets"
    curves = [(_kind(net), net.id, net.history) for net in run.nets if net.role != "random"]
    return _draw_curves(run.metric, title, curves, "No net has been trained to the end yet.")


def _kind(net: Net) -> str:
    """The class of the net's line: its role's colour, dashed beyond the first budget."""
    return f"{net.role} dashed" if net.budget else net.role


def draw_preparation(run: Run) -> Figure:
    """How what the strategy prepared (the PruningNet) was trained."""
    title = "Training of the PruningNet"
    curves = [("winner", "PruningNet", run.prepared_history)]
    return _draw_curves(
        run.metric, title, curves, "This strategy prepared nothing, or the run stopped before it was trained."
    )


def _draw_curves(metric: Metric, title: str, curves: Sequence[tuple[str, str, History]], otherwise: str) -> Figure:
    keys = (metric.validation, metric.name, metric.training, "loss")
    longest = {key: max((len(_read_curve(history, key)) for _, _, history in curves), default=0) for key in keys}
    # one point is no curve: a figure that was measured at the end only gives way to one of every epoch
    key = next((key for key in keys if longest[key] > 1), next((key for key in keys if longest[key]), None))
    if key is None:
        return Figure(title, note=otherwise)
    lines = [(role, name, points) for role, name, history in curves if (points := _read_curve(history, key))]
    values = [point[1] for _, _, points in lines for point in points]
    is_loss = key == "loss"
    say: Callable[[float], str] = (lambda value: f"{value:.3g}") if is_loss else metric.say_tick
    frame = Frame(
        Axis.over([point[0] for _, _, points in lines for point in points], "epoch", say_tick, floor=0, whole=True),
        Axis.over(values, key.replace("_", " "), say, floor=0 if is_loss else metric.least),
    )
    layers = []
    for role, name, points in lines:
        tips = [(point, f"{name}, epoch {point[0]:g}: {say_value(key, point[1], metric)}") for point in points]
        layers.append(charts.line(frame, points, role) + charts.dots(frame, tips, role, radius=2.5))
    legend = ((kind, f"{name} (dashed)" if kind.endswith("dashed") else name) for kind, name, _ in lines)
    return Figure(title, charts.draw(frame, *layers, about=title), tuple(legend))


_LINES = ("winner", "front", "random", "uniform")  # the colours of several budgets' lines
_ORDER = {"winner": 0, "uniform": 1, "random": 2, "full": 3}


def find_front(points: Sequence[Point]) -> list[Point]:
    """The points that no other one beats at the same or lower MACs, by rising MACs."""
    front: list[Point] = []
    for point in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or point[1] > front[-1][1]:
            front.append(point)
    return front


def find_budget(run: Run, outcome: Outcome) -> int:
    """The tightest budget that the outcome fits; the last one if it fits none."""
    fitting = [
        (sum(high for _, high in budget.values()), number)
        for number, budget in enumerate(run.budgets)
        if all(outcome.costs.get(cost, 0) <= high for cost, (_, high) in budget.items())
    ]
    return min(fitting, default=(0.0, max(len(run.budgets) - 1, 0)))[1]


def _read_curve(history: Sequence[Mapping[str, float]], key: str) -> list[Point]:
    """(epoch, value) where the value was measured; epochs count from 1 where the record does not say."""
    numbered = enumerate(history, start=1)
    return [(float(epoch.get("epoch", at)), float(epoch[key])) for at, epoch in numbered if epoch.get(key) is not None]


def _find_trials(run: Run, role: str, scored: Mapping[int, Point]) -> list[tuple[Point, str]]:
    """The trials that scored the trained nets of a role."""
    wanted = [dict(net.candidate) for net in run.nets if net.role == role]
    found = [outcome for outcome in run.done if outcome.number in scored and outcome.candidate.values in wanted]
    return [(scored[outcome.number], f"{role}: {_tell_trial(outcome)}") for outcome in found]


def _macs_limits(run: Run) -> list[float]:
    return sorted({budget[HEADLINE][1] for budget in run.budgets if HEADLINE in budget})


def _budget_lines(frame: Frame, limits: Sequence[float]) -> str:
    return "".join(charts.upright(frame, high, "budget", f"budget: {say_count(high)} MACs") for high in limits)


def _budget_legend(limits: Sequence[float]) -> tuple[tuple[str, str], ...]:
    return (("budget", "budgets" if len(limits) > 1 else "budget"),) if limits else ()


def _layer_ticks(count: int) -> tuple[float, ...]:
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 500) if count / step <= 10 or step == 500)
    return tuple(float(number) for number in range(step, count + 1, step))


def find_fence(values: Sequence[float]) -> float:
    """Below it lie outliers that would squeeze all others: three interquartile ranges under the lower quartile (Tukey).

    They are drawn on the lower edge of a chart. The lowest value where nothing lies that far out.
    """
    if len(values) < 4:
        return min(values)
    lower, _, upper = statistics.quantiles(values, n=4)
    return max(min(values), lower - 3 * (upper - lower))


def _count_dots(done: Sequence[Outcome], low: float) -> str:
    below = sum(outcome.merit < low for outcome in done)
    return f"{len(done):,} trials" + (f", {below:,} of them below the edge" if below else "")


def _score_axis(run: Run, values: Sequence[float]) -> Axis:
    if run.by_likelihood:
        return Axis.over(values, "log-likelihood of the validation labels, nats", _say_nats)
    metric = run.metric
    label, floor = f"{metric.words} on validation images", metric.least if metric.better == "higher" else None
    # merits: better is higher up, and a tick is told as the figure that it stands for
    return Axis.over(values, label, lambda merit: metric.say_tick(metric.merit(merit)), floor=floor)


def metric_axis(run: Run, figures: Sequence[float]) -> Axis:
    """An axis of the headline figure on validation images."""
    return Axis.over(figures, f"{run.metric.words} on validation images", run.metric.say_tick, floor=run.metric.least)


def _say_nats(value: float) -> str:
    return f"{round(value, 4):g}".replace("-", "−")


def _tell_net(run: Run, net: Net) -> str:
    figure = net.figure or 0.0
    said = run.metric.say_spread(figure, net.spread) if net.spread else run.metric.say(figure)
    return f"{net.id}: {said}, {say_count(net.costs['macs'])} MACs"


def _tell_trial(outcome: Outcome) -> str:
    origin = f" ({outcome.candidate.origin})" if outcome.candidate.origin else ""
    score = say_score(outcome)
    return f"trial {outcome.number}{origin}: {score}, {say_count(outcome.costs['macs'])} MACs"
