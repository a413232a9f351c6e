"""trials: every candidate that a run has tried, as a table, as CSV or as JSON."""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from kdsearch.cli.finding import find_run
from kdsearch.cli.output import say, say_json
from kdsearch.costs import COSTS, HEADLINE
from kdsearch.records import SCORE, Outcome, RunPaths

_GENE = "candidate"


def trials(given: argparse.Namespace) -> int:
    """Prints one line a trial; the run may be under way."""
    from kdsearch.rundir.ledger import read_outcomes

    run_dir = find_run(given.run)
    outcomes = sorted(read_outcomes(RunPaths(run_dir)), key=lambda outcome: outcome.number)
    if given.json:
        say_json({"run": str(run_dir), "trials": [describe_trial(outcome) for outcome in outcomes]})
    elif given.csv:
        _write_csv([describe_trial(outcome) for outcome in outcomes])
    elif outcomes:
        _print_columns(outcomes)
    else:
        say("no trial has ended yet")
    return 0


def describe_trial(outcome: Outcome) -> dict[str, Any]:
    """All that the ledger holds of a trial; a failed one has no metrics and a reason."""
    return {
        "trial": outcome.number,
        "state": say_state(outcome),
        "origin": outcome.candidate.origin,
        "metrics": dict(outcome.metrics),
        "costs": dict(outcome.costs),
        "seconds": outcome.seconds,
        "reason": outcome.reason,
        _GENE: outcome.candidate.values,
    }


def say_state(outcome: Outcome) -> str:
    """done, failed, or how it was given up on its way: dropped by racing, or pruned for its curve."""
    given_up = next((name for name in ("dropped", "pruned") if outcome.metrics.get(name)), None)
    return given_up or outcome.state


def _write_csv(rows: Sequence[Mapping[str, Any]]) -> None:
    """One column a figure, its group before a dot, as in the JSON: ``metrics.accuracy``, ``candidate.conv1``."""
    groups = [key for row in rows[:1] for key, value in row.items() if isinstance(value, Mapping)]
    flat = [_flatten(row, groups) for row in rows]
    found = dict.fromkeys(name for row in flat for name in row)
    heads = [name for name in found if "." not in name]
    heads += [name for group in groups for name in found if name.startswith(f"{group}.")]
    writer = csv.DictWriter(sys.stdout, heads or ["trial"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)


def _flatten(row: Mapping[str, Any], groups: Sequence[str]) -> dict[str, Any]:
    plain = {key: value for key, value in row.items() if key not in groups}
    return plain | {f"{group}.{name}": value for group in groups for name, value in row[group].items()}


def _print_columns(outcomes: Sequence[Outcome]) -> None:
    """A line a trial, and how many there are of each state; genes are cut off where the line ends."""
    from kdsearch.report.columns import Column, print_columns

    shown = _list_figures(outcomes)
    words = {"state": say_state, "origin": lambda outcome: outcome.candidate.origin, "gene": _say_gene}
    spare = {cost.label for cost in COSTS if cost.name != HEADLINE}
    columns = [Column(head, spare=head in spare) for head in shown]
    columns += [Column(head, "words" if head == "state" else "text") for head in words]
    say_cells = [*shown.values(), *words.values()]
    styles = ["dim" if outcome.partial or outcome.state == "failed" else "" for outcome in outcomes]
    print_columns(columns, [[say_cell(outcome) for say_cell in say_cells] for outcome in outcomes], styles=styles)
    counts = ", ".join(f"{count} {state}" for state, count in Counter(map(say_state, outcomes)).items())
    say(f"{len(outcomes)} trials: {counts}; every figure and whole genes: --csv")


def _list_figures(outcomes: Sequence[Outcome]) -> dict[str, Callable[[Outcome], str]]:
    """The columns of figures, those that some trial has, and how each is said."""
    from kdsearch.report.words import say_cost, say_duration

    metric = outcomes[0].metric
    shown: dict[str, Callable[[Outcome], str]] = {"trial": lambda outcome: str(outcome.number)}
    shown[metric.words] = lambda outcome: _say(outcome.metrics, metric.name, lambda value: metric.say(value, 1))
    if any(SCORE in outcome.metrics for outcome in outcomes):
        shown["nats"] = lambda outcome: _say(outcome.metrics, SCORE, "{:.3f}".format).replace("-", "−")
    for cost in COSTS:
        if any(cost.name in outcome.costs for outcome in outcomes):
            shown[cost.label] = partial(
                lambda name, outcome: _say(outcome.costs, name, partial(say_cost, name)), cost.name
            )
    shown["time"] = lambda outcome: say_duration(outcome.seconds)
    return shown


def _say(figures: Mapping[str, float], name: str, words: Callable[[float], str]) -> str:
    return words(figures[name]) if name in figures else "–"


def _say_gene(outcome: Outcome) -> str:
    """The values in the order of their names, or why there is nothing to say of them."""
    values = (f"{value:.3g}" if isinstance(value, float) else str(value) for _, value in outcome.candidate.pairs)
    return outcome.reason or " ".join(values)
