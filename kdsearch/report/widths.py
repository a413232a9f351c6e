"""What the winners kept of each layer, as a chart and as numbers; no torch here."""

from __future__ import annotations

from kdsearch.report import charts
from kdsearch.report.charts import Axis, Frame
from kdsearch.report.limits import title_of
from kdsearch.report.page import Figure, Table
from kdsearch.report.run import Run
from kdsearch.report.words import say_percent, say_tick


def draw_widths(run: Run, budget: int) -> Figure:
    """Kept share of each layer's channels in the winner, against the full net and the uniform-width net."""
    winner, uniform = run.find("winner", budget), run.find("uniform", budget)
    title = title_of("Kept channels of each layer", run, budget)
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


def list_widths(run: Run) -> list[Table]:
    """The widths as numbers, one table a budget, folded away."""
    tables = []
    for budget in run.budget_numbers:
        winner, uniform = run.find("winner", budget), run.find("uniform", budget)
        if winner is None or not winner.layers:
            continue
        others = {layer.name: layer.kept for layer in uniform.layers} if uniform else {}
        rows = tuple(
            (layer.name, str(layer.full), str(layer.kept), str(others.get(layer.name, "–"))) for layer in winner.layers
        )
        title = title_of("Channels of each layer", run, budget)
        tables.append(Table(("layer", "full", "winner", "uniform"), rows, title=title, folded=True))
    return tables


def _layer_ticks(count: int) -> tuple[float, ...]:
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 500) if count / step <= 10 or step == 500)
    return tuple(float(number) for number in range(step, count + 1, step))
