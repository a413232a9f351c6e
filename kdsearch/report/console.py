"""What a run says in a terminal: progress on standard error, results on standard output; no torch here."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, TextIO

from kdsearch.errors import printable
from kdsearch.progress import Watch, unwatched
from kdsearch.report.board import flatten
from kdsearch.report.gains import DOUBT, DOUBT_MEANS
from kdsearch.report.live import Lines, on_screen
from kdsearch.report.reading import read_run
from kdsearch.report.run import Run
from kdsearch.report.table import list_cells, list_compared, list_heads, list_unmeasured
from kdsearch.report.verdict import answer_all
from kdsearch.report.words import say_duration, say_value, say_values
from kdsearch.spec.metric import ACCURACY, Metric

if TYPE_CHECKING:
    from rich.console import Console

    from kdsearch.rundir.summary import Summary

GO_ON = "go on with"  # what a status calls the command that resumes
PLAIN_WIDTH = 120  # columns of text that a table may take in a pipe or a file
_STYLES = {"yes": "green", "no": "red", "unclear": "yellow", "unknown": "dim"}
ROLE_STYLES = {
    "winner": "bold green",
    "uniform": "yellow",
    "scratch": "cyan",
    "random": "magenta",
    "full": "dim",
    "given": "dim",
    "teacher": "dim",
}


@contextmanager
def live(stream: TextIO | None = None, *, quiet: bool = False, metric: Metric = ACCURACY) -> Iterator[Watch]:
    """A watch that shows progress on ``stream`` (standard error): redrawn on a terminal, line by line elsewhere.

    ``metric``: the figure by which the task judges nets.
    """
    stream = _tolerate(stream or sys.stderr)
    if quiet:
        yield unwatched
    elif stream.isatty():
        with on_screen(open_console(stream), metric) as screen:
            yield screen
    else:
        yield Lines(stream, metric=metric)


def print_summary(summary: Summary, stream: TextIO | None = None) -> None:
    """What came out of a run: the nets compared, the answers, the files and where the report lies."""
    from rich.table import Table
    from rich.text import Text

    from kdsearch.report.plain_console import plain

    run = read_run(summary, ())
    console = open_console(stream or sys.stdout)
    console.print(Text(f"{run.name}: {run.state}", style="bold"))
    if run.exhausted:
        console.print(Text(f"The search ended early: {run.exhausted}.", style="yellow"), soft_wrap=True)
    if run.nets:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for at, head in enumerate(list_heads(run)):
            table.add_column(head, justify="right" if at else "left", no_wrap=True)
        rows = [(net.role, list_cells(run, net)) for net in list_compared(run)]
        for role, cells in rows:
            table.add_row(*(plain(cell) for cell in cells), style=ROLE_STYLES.get(role, ""))
        console.print(table)
        doubted = any(cell.endswith(DOUBT) for _, cells in rows for cell in cells)
        for line in [*([DOUBT_MEANS] if doubted else []), *list_unmeasured(run)]:
            console.print(Text(line, style="dim"), soft_wrap=True)
    else:
        console.print("No student has been trained yet.")
    for answer in answer_all(run):
        word = (answer.word, f"bold {_STYLES[answer.word]}")
        grounds = Text.assemble(f"{answer.question} ", word, f": {answer.text}")
        console.print(grounds, soft_wrap=True)
    for line in _list_places(run):
        console.print(Text(line), soft_wrap=True)


def print_dry_run(forecast: Mapping[str, Any], stream: TextIO | None = None) -> None:
    """What a study would do: the resolved study, costs of the nets, evaluations and hours."""
    shown: dict[str, Callable[[Any], str]] = {"budgets": _say_budget, "uniform": say_values, "frozen": _say_frozen}
    facts: dict[str, Any] = dict(forecast)
    if "candidates" in facts:
        facts["search space"] = f"{facts.pop('candidates'):.3g} candidates"
    facts["time"] = {phase: say_duration(3600 * hours) for phase, hours in facts.pop("hours").items()}
    for name in shown.keys() & facts.keys():
        facts[name] = "; ".join(shown[name](row) for row in facts[name]) or None
    print_facts(facts, stream)


def print_status(status: Mapping[str, Any], stream: TextIO | None = None) -> None:
    """Where a run stands; what to type stands below, in one piece however long it is."""
    print_facts({name: value for name, value in status.items() if name != GO_ON}, stream)
    if GO_ON in status:
        typed = "\t".join(map(printable, status[GO_ON].split("\t")))  # a tab steers nothing, and a shell needs it
        _tolerate(stream or sys.stdout).write(f"{GO_ON}: {typed}\n")


def print_list(runs: Sequence[Mapping[str, Any]], stream: TextIO | None = None) -> None:
    """One line a run."""
    print_rows(runs, stream)


def print_facts(facts: Mapping[str, Any], stream: TextIO | None = None) -> None:
    """Names and values in two columns; a nested mapping's keys are dotted, a text of several lines follows its name."""
    from rich.table import Table

    from kdsearch.report.plain_console import plain

    console = open_console(stream or sys.stdout)
    table = Table.grid(padding=(0, 2))
    for name, value in flatten(facts):
        table.add_row(plain(name, "cyan"), plain(_say_any(name, value)))
    console.print(table)


def print_rows(rows: Sequence[Mapping[str, Any]], stream: TextIO | None = None) -> None:
    """A table with one line a row and one column a key, in the order in which keys first appear."""
    from rich.table import Table

    from kdsearch.report.plain_console import plain

    console = open_console(stream or sys.stdout)
    flat = [dict(flatten(row)) for row in rows]
    heads = list(dict.fromkeys(name for row in flat for name in row))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for head in heads:
        numeric = all(isinstance(row.get(head, 0), int | float) for row in flat)
        table.add_column(plain(head.replace("_", " ")), justify="right" if numeric else "left", overflow="fold")
    for row in flat:
        table.add_row(*(plain(_say_any(head, row.get(head, ""))) for head in heads))
    console.print(table)


def _list_places(run: Run) -> list[str]:
    exported = [f"{net.id} ({name}): {run.run_dir}/{path}" for net in run.nets for name, path in net.files.items()]
    return [*exported, f"report: {run.run_dir}/report.html"]


def _say_any(name: str, value: object) -> str:
    """A value in the form that its name asks for; under ``seconds`` are durations."""
    above, _, last = name.rpartition(".")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        group = above.rpartition(".")[2]
        return say_value({"seconds": "seconds", "students": ACCURACY.name}.get(group, last), value)
    if isinstance(value, list | tuple):
        return ", ".join(_say_any(name, item) for item in value) or "–"
    return "–" if value is None or value == {} else str(value)


def _say_budget(budget: Mapping[str, Any]) -> str:
    """The windows of a budget: ``macs 28.5 M to 30.0 M``."""
    said = {cost: [None if end is None else say_value(cost, end) for end in ends] for cost, ends in budget.items()}
    windows = [f"{cost} {low} to {high}" if low else f"{cost} at most {high}" for cost, (low, high) in said.items()]
    return ", ".join(windows) or "no limit"


def _say_frozen(pair: Sequence[str]) -> str:
    return ": ".join(pair)


def open_console(stream: TextIO) -> Console:
    """A console that prints what it is given as it is, on a terminal as wide as that."""
    from kdsearch.report.plain_console import PlainConsole

    width = None if stream.isatty() else PLAIN_WIDTH
    return PlainConsole(file=_tolerate(stream), width=width, highlight=False, markup=False, emoji=False)


def _tolerate(stream: TextIO) -> TextIO:
    """The stream, made to write ? for a sign that its encoding lacks: a long run must not end over a minus sign."""
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="replace")
    return stream
