"""Several runs side by side: their nets, by how much these differ, and what differs in their studies; no torch here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kdsearch.costs import COSTS, HEADLINE
from kdsearch.errors import SpecError
from kdsearch.report.board import flatten
from kdsearch.report.columns import Column
from kdsearch.report.gains import gain_interval, gain_over, say_gain, say_interval
from kdsearch.report.limits import list_limited, say_costs
from kdsearch.report.run import Net, Run
from kdsearch.report.table import list_compared, name_net, say_figure
from kdsearch.report.words import say_cost, say_duration

_APART = {"": "cannot be told apart", "+": "ahead", "-": "behind"}
LATENCY_MEANS = "Latency: as each run measured it, at its own time and on its machine."
_SEEN = ("name",)  # of a study: differs anyhow, and stands in front


@dataclass(frozen=True, slots=True)
class Entry:
    """A run of a comparison, and what the user called it; ``study``: its StudySpec as JSON has it."""

    label: str
    run: Run
    task: str
    classes: tuple[str, ...]
    study: Mapping[str, Any]

    @property
    def nets(self) -> list[Net]:
        """Those of its table but for random ones, which stand for chance."""
        return [net for net in list_compared(self.run) if net.role != "random"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs of one task; the first is what the others are compared with."""

    first: Entry
    others: tuple[Entry, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        return (self.first, *self.others)

    def has_same_images(self, entry: Entry) -> bool:
        """Whether its figures are of the images that the first run's are of."""
        return entry.run.digest == self.first.run.digest

    def find_rival(self, entry: Entry, net: Net) -> Net | None:
        """The first run's net of this role and budget; None where there is none, or where images differ."""
        return (
            None
            if entry is self.first or not self.has_same_images(entry)
            else self.first.run.find(net.role, net.budget)
        )


def compare(entries: Sequence[Entry]) -> Comparison:
    """The comparison of two or more runs.

    Raises:
        SpecError: they are of several tasks, or of other classes, so that their figures mean different things.
    """
    first, *others = entries
    for entry in others:
        for what, own, known in (
            ("another task", entry.task, first.task),
            ("another figure", entry.run.metric.words, first.run.metric.words),
            ("another number of classes", len(entry.classes), len(first.classes)),
            ("other classes, or in another order,", entry.classes, first.classes),
        ):
            if own != known:
                said = f" ({own}, {known})" if isinstance(own, str | int) else ""
                raise SpecError(f"{entry.label}: has {what} than {first.label}{said}; there is nothing to compare")
    return Comparison(first, tuple(others))


def list_nets(found: Comparison) -> tuple[list[Column], list[list[str]], list[str]]:
    """The table of all nets: columns, rows, and the role of each row; a run's name and time stand in its first row."""
    metric = found.first.run.metric
    heads = ("net", metric.tested, f"vs {found.first.label}")
    columns = [Column("run", "words"), Column(heads[0], "words"), *map(Column, heads[1:])]
    columns += [Column(cost.label, spare=cost.name != HEADLINE) for cost in COSTS] + [Column("time")]
    rows, roles = [], []
    for entry in found.entries:
        total = say_duration(sum(entry.run.seconds.values()))
        for at, net in enumerate(entry.nets):
            costs = ["–" if (value := net.cost(cost.name)) is None else say_cost(cost.name, value) for cost in COSTS]
            name, time = (entry.label, total) if at == 0 else ("", "")
            rows.append([name, name_net(net), say_figure(entry.run, net), _say_gain(found, entry, net), *costs, time])
            roles.append(net.role)
    return columns, rows, roles


def _say_gain(found: Comparison, entry: Entry, net: Net) -> str:
    rival = found.find_rival(entry, net)
    return "–" if rival is None else say_gain(entry.run, net, rival)


def list_verdicts(found: Comparison) -> list[str]:
    """A sentence on each winner against the first run's, or why there can be none."""
    said = []
    for entry in found.others:
        if not found.has_same_images(entry):
            said.append(f"{entry.label} was tested on other data than {found.first.label}: no difference is shown.")
            continue
        pairs = [(net, found.find_rival(entry, net)) for net in entry.nets if net.role == "winner"]
        said += [_judge(found.first, entry, net, rival) for net, rival in pairs if rival is not None]
    return said


def _judge(first: Entry, entry: Entry, net: Net, rival: Net) -> str:
    metric, interval = entry.run.metric, gain_interval(entry.run, net, rival)
    gain = f"{metric.say_difference(gain_over(entry.run, net, rival))} {metric.points}".rstrip()
    limited = list_limited(entry.run, net.budget)
    costs = " instead of ".join(say_costs(each, limited) for each in (net, rival))
    if interval is None:
        told = "may be chance: one training each gives no interval"
    else:
        sign = "+" if interval.low > 0 else "-" if interval.high < 0 else ""
        told = f"{_APART[sign]} ({say_interval(metric, interval)})"
    return f"{entry.label}, {net.id}, against {first.label}, {rival.id}: {gain}, {told}; {costs}."


def list_differing(found: Comparison) -> list[tuple[str, list[str]]]:
    """What differs between the studies and the versions that ran them: dotted key and each run's value."""
    trees = [
        {key: value for key, value in entry.study.items() if key not in _SEEN} | {"versions": entry.run.versions}
        for entry in found.entries
    ]
    flat = [dict(flatten(tree)) for tree in trees]
    keys = dict.fromkeys(key for each in flat for key in each)
    return [
        (key, [_say_option(each.get(key)) for each in flat])
        for key in keys
        if any(each.get(key) != flat[0].get(key) for each in flat)
    ]


def _say_option(value: object) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else json.dumps(value)


def describe(found: Comparison) -> dict[str, Any]:
    """The comparison for programs."""
    runs = [
        {
            "run": entry.label,
            "run_dir": entry.run.run_dir,
            "data": entry.run.data,
            "same_data": found.has_same_images(entry),
            "seconds": dict(entry.run.seconds),
            "trials": entry.run.trials,
            "students": [_describe_net(found, entry, net) for net in entry.nets],
        }
        for entry in found.entries
    ]
    return {"metric": found.first.run.metric.name, "runs": runs, "differing": dict(list_differing(found))}


def _describe_net(found: Comparison, entry: Entry, net: Net) -> dict[str, Any]:
    about: dict[str, Any] = {"id": net.id, "role": net.role, "budget": net.budget, entry.run.metric.name: net.figure}
    about |= {"spread": net.spread, "seeds": net.seeds, "costs": dict(net.costs)}
    rival = found.find_rival(entry, net)
    if rival is not None:
        interval = gain_interval(entry.run, net, rival)
        ends = None if interval is None else [interval.low, interval.high]
        about["gain"] = {"over": rival.id, "value": gain_over(entry.run, net, rival), "interval_95": ends}
    return about
