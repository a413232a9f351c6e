"""By how much one trained net is ahead of another, and whether that can be told from chance; no torch here."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from kdsearch.measures.intervals import Interval, Sample, difference_interval
from kdsearch.report.run import Net, Run
from kdsearch.spec.metric import Metric

DOUBT = "?"  # behind a gain that may be chance
DOUBT_MEANS = f"{DOUBT}: may be chance, as the 95% interval of the difference holds zero, or one training gives none."


def gain_over(run: Run, net: Net, control: Net) -> float:
    """By how much ``net`` is better than ``control``, whichever way the metric goes."""
    return run.metric.merit(net.figure) - run.metric.merit(control.figure)


def gain_interval(run: Run, net: Net, control: Net) -> Interval | None:
    """The 95% interval of ``gain_over``, by both nets' trainings; None where one of them was trained once."""
    return _interval(sample_trainings(run, net), sample_trainings(run, control))


def gain_over_random(run: Run, net: Net, drawn: Sequence[Net]) -> Interval | None:
    """The 95% interval of the gain over the mean random net, of which each counts as one draw; None of too few."""
    merits = [run.metric.merit(each.figure) for each in drawn]
    if len(merits) < 2:
        return None
    spread = Sample(statistics.fmean(merits), statistics.stdev(merits), len(merits))
    return _interval(sample_trainings(run, net), spread)


def sample_trainings(run: Run, net: Net) -> Sample | None:
    """The merits of a net's trainings; None where there was one, which shows no spread."""
    if net.spread is None or net.seeds < 2:
        return None
    return Sample(run.metric.merit(net.figure), net.spread, net.seeds)


def say_interval(metric: Metric, found: Interval, more_digits: int = 0) -> str:
    """``95% interval −0.3 to +1.6``, in the metric's points."""
    low, high = (metric.say_difference(end, more_digits) for end in (found.low, found.high))
    return f"95% interval {low} to {high}"


def say_gain(run: Run, net: Net, control: Net) -> str:
    """A cell of a table: the gain, with a question mark where no interval tells it from none."""
    said, found = run.metric.say_difference(gain_over(run, net, control)), gain_interval(run, net, control)
    return said if found is not None and found.excludes_zero else f"{said} {DOUBT}"


def _interval(first: Sample | None, second: Sample | None) -> Interval | None:
    return None if first is None or second is None else difference_interval(first, second)
