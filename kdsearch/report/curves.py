"""The charts of trainings: the final nets, and what the strategy prepared; no torch here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from kdsearch.report import charts
from kdsearch.report.charts import Axis, Frame, Point
from kdsearch.report.limits import title_of
from kdsearch.report.page import Figure
from kdsearch.report.run import History, Run
from kdsearch.report.words import say_tick, say_value
from kdsearch.spec.metric import Metric


def draw_final_curves(run: Run, budget: int | None = None) -> Figure:
    """Training curves of the final nets: the headline figure on validation images where measured, else the loss.

    With ``budget`` those of its nets, and of the full net beside them.
    """
    nets = [net for net in run.nets if net.role != "random" and (budget is None or net.budget in (None, budget))]
    curves = [(net.role, net.id, net.history) for net in nets]
    title = title_of("Training of the final nets", run, budget)
    return _draw_curves(run.metric.on_validation, title, curves, "No net has been trained to the end yet.")


def draw_preparation(run: Run) -> Figure:
    """How what the strategy prepared (the PruningNet) was trained."""
    curves = [("winner", "PruningNet", run.prepared_history)]
    otherwise = "This strategy prepared nothing, or the run stopped before it was trained."
    return _draw_curves(run.metric.on_validation, "Training of the PruningNet", curves, otherwise)


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
        Axis.over(values, _name_axis(metric, key), say, floor=0 if is_loss else metric.least),
    )
    layers = []
    for role, name, points in reversed(lines):  # the winner's on top of the wider one of the uniform net
        tips = [(point, f"{name}, epoch {point[0]:g}: {say_value(key, point[1], metric)}") for point in points]
        layers.append(charts.line(frame, points, role) + charts.dots(frame, tips, role, radius=2.5))
    return Figure(title, charts.draw(frame, *layers, about=title), tuple((role, name) for role, name, _ in lines))


def _name_axis(metric: Metric, key: str) -> str:
    images = {metric.validation: metric.validated_on, metric.name: metric.validated_on}
    images[metric.training] = "training images"
    return f"{metric.axis} ({images[key]})" if key in images else key


def _read_curve(history: Sequence[Mapping[str, float]], key: str) -> list[Point]:
    """(epoch, value) where the value was measured; epochs count from 1 where the record does not say."""
    numbered = enumerate(history, start=1)
    return [(float(epoch.get("epoch", at)), float(epoch[key])) for at, epoch in numbered if epoch.get(key) is not None]
