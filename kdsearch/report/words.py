"""Figures as a person reads them; no torch here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kdsearch.costs import Unit, find_cost, is_cost
from kdsearch.records import SCORE, Outcome
from kdsearch.spec.metric import ACCURACY, Metric

_NAMES = {"best": "best-ranked"}  # the trial that ranks first by a score need not have the best figure
_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def say_percent(share: float, digits: int = 1) -> str:
    """A share 0..1 as a percentage: ``98.2 %``."""
    return f"{100 * share:.{digits}f} %"


def say_score(outcome: Outcome, score: Metric | None) -> str:
    """A trial's headline figure, and its ``score`` beside it where it has one; ``score``: what that is."""
    said, reached = outcome.metric.say(outcome.figure, 1), outcome.metrics.get(SCORE)
    return said if reached is None or score is None else f"{said} ({score.say(reached, 1)})"


def name_budget(number: int) -> str:
    """The name of one of several budgets, with the net that was found for it: ``Budget 1 (winner-0)``."""
    return f"Budget {number + 1} (winner-{number})"


def say_points(difference: float, digits: int = 1) -> str:
    """A difference of two shares in percentage points, with its sign: ``+1.3``."""
    rounded = round(100 * difference, digits) + 0.0  # + 0.0 turns -0.0 into 0.0
    return f"{rounded:+.{digits}f}".replace("-", "−")


def say_count(value: float) -> str:
    """A count with three significant digits and a metric unit: ``12.3 M``."""
    for step, unit in _UNITS:
        if abs(value) >= step * 0.9995:
            return f"{_three_digits(value / step)} {unit}"
    return _three_digits(value)


def say_tick(value: float) -> str:
    """A count beside an axis, as short as it can be: ``80 M``."""
    number, _, unit = say_count(value).partition(" ")
    return f"{float(number):g} {unit}".strip()


def say_bytes(value: float) -> str:
    """A size in decimal units: ``1.24 MB``."""
    return f"{say_count(value)}{'B' if abs(value) >= 999.5 else ' B'}"


def say_ms(value: float) -> str:
    """A latency: ``1.24 ms``."""
    return f"{_three_digits(value)} ms"


def say_duration(seconds: float) -> str:
    """A span of time in its two largest units: ``3 min 20 s``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def say_cost(name: str, value: float) -> str:
    """A cost of the table in its own unit."""
    return _SAY_UNIT[find_cost(name).unit](value)


_SAY_UNIT: Mapping[Unit, Callable[[float], str]] = {"count": say_count, "bytes": say_bytes, "ms": say_ms}


def say_value(name: str, value: float, metric: Metric = ACCURACY) -> str:
    """A figure of a progress message or a table, in the form that its name asks for; ``metric``: the task's."""
    if metric.name in name or name in ("best", "bar"):
        return metric.say(value)
    if name == "ratio":
        return say_percent(value)
    if is_cost(name):
        return say_cost(name, value)
    if name == "images":
        return say_count(value)
    if name.endswith("seconds"):
        return say_duration(value)
    if float(value).is_integer() and abs(value) < 1e6:
        return f"{value:.0f}"
    return f"{value:.3g}"


def say_values(values: Mapping[str, float], metric: Metric = ACCURACY) -> str:
    """Several figures in one line: ``accuracy 91.2 %, macs 12.3 M``."""
    said = {_NAMES.get(name, name.replace("_", " ")): say_value(name, value, metric) for name, value in values.items()}
    return ", ".join(f"{name} {value}" for name, value in said.items())


def _three_digits(value: float) -> str:
    size = abs(value)
    if size >= 99.95:
        return f"{value:.0f}"
    if size >= 9.995:
        return f"{value:.1f}"
    return f"{value:.2f}" if size and not float(value).is_integer() else f"{value:.0f}"
