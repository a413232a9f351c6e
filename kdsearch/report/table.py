"""The table of nets as rows of text, for the page, the console and the dashboard's note; no torch here."""

from __future__ import annotations

from collections.abc import Iterable

from kdsearch.costs import COSTS, HEADLINE, find_cost
from kdsearch.report.gains import DOUBT_MEANS, say_gain
from kdsearch.report.page import Section, Table
from kdsearch.report.run import Net, Run
from kdsearch.report.words import say_cost, say_percent

_BESIDE = {HEADLINE: ("of full",), "latency_ms": ("speed-up",)}
SIZE_MEANS = "Size: parameters and buffers; of exported nets their largest file."
_NOTE = (
    "{metric}: mean ± standard deviation over seeds, on {images} that the search never saw. MACs: multiply-adds of "
    "convolutions and linear layers, one image. {size} "
    "Latency: frozen TorchScript, batch 1, one thread, all in one run; speed-up: against the full net. All nets were "
    "trained with one recipe, but for given (the student as it came) and teacher, which are as they are."
)


def list_heads(run: Run) -> tuple[str, ...]:
    """What ``list_cells`` gives, where there is little room."""
    costs = (head for row in COSTS for head in (row.label, *_BESIDE.get(row.name, ())))
    return ("net", run.metric.tested, "vs uniform", *costs)


def list_cells(run: Run, net: Net) -> list[str]:
    """A net's row of the table: name, figure, gain over uniform, MACs, share, parameters, size, latency, speed-up."""
    uniform = run.find("uniform", net.budget)
    gain = say_gain(run, net, uniform) if net.role != "uniform" and uniform else "–"
    costs = (cell for row in COSTS for cell in _list_cost(run, net, row.name))
    return [name_net(net), say_figure(run, net), gain, *costs]


def _list_cost(run: Run, net: Net, cost: str) -> list[str]:
    """A cost's cell, and what ``_BESIDE`` puts beside it: the share of the full net, or how many times as fast."""
    value = net.cost(cost)
    cells = ["–" if value is None else say_cost(cost, value)]
    if cost == HEADLINE:
        full = run.full_costs.get(cost)
        cells.append(say_percent(value / full) if value and full else "–")
    elif cost in _BESIDE:
        slowest = run.full.cost(cost) if run.full else None
        cells.append(f"{slowest / value:.2f} ×" if value and slowest else "–")
    return cells


def show_nets(run: Run) -> Section:
    """All trained nets side by side, and first those that the study started from."""
    title = "Nets compared"
    if not run.nets:
        return Section(title, ("No net has been trained to the end yet.",))
    control = "start" if any(net.amounts for net in run.nets) else "uniform"
    heads = (*list_heads(run)[:2], f"against {control}", *list_heads(run)[3:])
    compared = list_compared(run)
    rows = tuple(tuple(list_cells(run, net)) for net in compared)
    about = _NOTE.format(metric=run.metric.words.capitalize(), images=run.metric.tested_on, size=SIZE_MEANS)
    note = " ".join((about, DOUBT_MEANS, *list_unmeasured(run)))
    return Section(title, tables=(Table(heads, rows, tuple(net.role for net in compared)),), note=note)


def list_unmeasured(run: Run) -> list[str]:
    """A sentence for every cost that a net should have and has not."""
    return [
        f"Not measured: {find_cost(cost).label} of {net.id} ({why})."
        for net in run.references
        for cost, why in net.unmeasured.items()
    ]


def show_amounts(run: Run) -> Section | None:
    """What each net was trained with of all that was searched beside widths; nothing where that is nothing."""
    nets = [net for net in order_nets(run.nets) if net.amounts]
    if not nets:
        return None
    names = sorted({name for net in nets for name in net.amounts})
    rows = ((name, *(f"{net.amounts[name]:.3g}" if name in net.amounts else "–" for net in nets)) for name in names)
    return Section("What was searched", tables=(Table(("amount", *(name_net(net) for net in nets)), tuple(rows)),))


def name_net(net: Net) -> str:
    """The net's name; the control of a search of amounts is where that started."""
    return net.id.replace("uniform", "start") if net.amounts else net.id


def list_compared(run: Run) -> list[Net]:
    """Every net of the final table: first those that the study started from."""
    return [*run.references, *order_nets(run.nets)]


def order_nets(nets: Iterable[Net]) -> list[Net]:
    """Nets of one budget together, winner first; the full net last."""
    return sorted(nets, key=_order)


def _order(net: Net) -> tuple[int, int, str]:
    place = {"winner": 0, "uniform": 1, "scratch": 2, "random": 3}.get(net.role, 4)
    return (net.budget if net.budget is not None else 10**6, place, net.id)


def say_figure(run: Run, net: Net) -> str:
    """The net's headline figure, with its deviation over seeds if it has several."""
    seeded = net.spread is not None and net.seeds > 1
    return run.metric.say_spread(net.figure, net.spread or 0.0) if seeded else run.metric.say(net.figure)
