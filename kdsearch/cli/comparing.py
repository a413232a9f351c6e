"""compare: the students of several runs side by side."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from kdsearch.cli.finding import find_run
from kdsearch.cli.output import say, say_json
from kdsearch.errors import SpecError
from kdsearch.records import RunPaths

if TYPE_CHECKING:
    from kdsearch.report.comparison import Comparison, Entry


def compare(given: argparse.Namespace) -> int:
    """Prints the nets of all runs, how sure their differences are, and what differs in the studies."""
    from kdsearch.report import comparison

    found_at = {find_run(text): text for text in given.runs}
    if len(found_at) < 2:
        raise SpecError(f"compare: needs two or more runs (got {next(iter(found_at))})")
    short = {path: path.name for path in found_at}
    labels = short if len(set(short.values())) == len(short) else found_at
    found = comparison.compare([read_entry(path, labels[path]) for path in found_at])
    if given.json:
        say_json(comparison.describe(found))
    else:
        _print(found)
    return 0


def read_entry(run_dir: Path, label: str) -> Entry:
    """The run as a comparison needs it.

    Raises:
        StoreError: it has not finished, or is damaged.
    """
    from kdsearch.report.comparison import Entry
    from kdsearch.report.reading import read_run
    from kdsearch.rundir.store import read_spec, read_summary

    paths = RunPaths(run_dir)
    summary, study = read_summary(paths), read_spec(paths).model_dump(mode="json")
    task = summary["task"]
    return Entry(label, read_run(summary, ()), task["name"], tuple(task["classes"]), study)


def _print(found: Comparison) -> None:
    from kdsearch.report.columns import Column, print_columns
    from kdsearch.report.comparison import LATENCY_MEANS, list_differing, list_nets, list_verdicts
    from kdsearch.report.console import ROLE_STYLES
    from kdsearch.report.gains import DOUBT_MEANS
    from kdsearch.report.table import SIZE_MEANS

    columns, rows, roles = list_nets(found)
    print_columns(columns, rows, styles=[ROLE_STYLES.get(role, "") for role in roles])
    for line in (*list_verdicts(found), DOUBT_MEANS, SIZE_MEANS, LATENCY_MEANS):
        say(line)
    say("")
    if differing := list_differing(found):
        heads = [Column("differs in", "words"), *(Column(entry.label, "text") for entry in found.entries)]
        print_columns(heads, [[key, *values] for key, values in differing])
    else:
        say("The studies and the versions that ran them are the same.")
