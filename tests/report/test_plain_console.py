"""Nothing that data name steers a terminal: classes, files and nets may be called anything."""

from __future__ import annotations

import io
import logging

import pytest

from kdsearch import commands
from kdsearch.errors import SpecError
from kdsearch.progress import Progress
from kdsearch.report.columns import Column, print_columns
from kdsearch.report.console import print_dry_run, print_facts, print_list, print_rows, print_status, print_summary
from kdsearch.report.live import Lines, on_screen
from kdsearch.report.plain_console import PlainConsole
from tests.report.conftest import make_summary

EVIL = "cat\x1b]0;owned\x07\x9b2J\u202e"
SPELLED = "cat\\x1b]0;owned\\x07\\x9b2J\\u202e"


def summary(stream) -> None:
    made = make_summary() | {"name": EVIL, "exhausted": EVIL}
    made["students"][0] |= {"id": EVIL, "files": {"torchscript": EVIL}}
    made["students"][1]["lineage"]["origin"] = EVIL
    print_summary(made, stream)


FORECAST = {"study": f"name: {EVIL}\nseed: 0", "net": EVIL, "frozen": [[EVIL, EVIL]], "hours": {"total": 1.0}}
PRINTERS = {
    "summary": summary,
    "dry run": lambda stream: print_dry_run(FORECAST, stream),
    "status": lambda stream: print_status({"run": EVIL, "go on with": f"kdsearch resume {EVIL}"}, stream),
    "list": lambda stream: print_list([{"run": EVIL, EVIL: 1}], stream),
    "facts": lambda stream: print_facts({EVIL: {EVIL: EVIL}}, stream),
    "rows": lambda stream: print_rows([{EVIL: EVIL}], stream),
    "columns": lambda stream: print_columns([Column(EVIL), Column("a", "words")], [[EVIL, EVIL]], stream=stream),
    "progress": lambda stream: Lines(stream)(Progress("search", 1, 2, EVIL)),
}


def steers(text: str) -> set[str]:
    return {letter for letter in text if not letter.isprintable() and letter != "\n"}


@pytest.mark.parametrize("name", PRINTERS)
def test_what_is_printed_is_spelled_out(name):
    stream = io.StringIO()
    PRINTERS[name](stream)
    assert steers(stream.getvalue()) == set()
    assert SPELLED in stream.getvalue()


def test_a_display_that_redraws_itself_draws_no_name_raw():
    stream = io.StringIO()
    console = PlainConsole(file=stream, force_terminal=True, width=100, highlight=False, markup=False)
    with on_screen(console) as screen:
        screen(Progress("plan", 0, 0, EVIL))
        screen(Progress("search", 1, 2, EVIL))
        console.print(screen)
    assert "\x1b]0" not in stream.getvalue()
    assert "\x9b" not in stream.getvalue()
    assert SPELLED in stream.getvalue()


def test_errors_and_logs_are_spelled_out(capsys, monkeypatch):
    def fail(given):
        logging.getLogger("kdsearch").warning("class %s", EVIL)
        raise SpecError(f"{EVIL}: no such class; name another")

    monkeypatch.setattr("kdsearch.cli.listing.list_all", fail)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    assert commands.run(["list"]) == 2
    said = capsys.readouterr().err
    assert said == f"WARNING: class {SPELLED}\n{SPELLED}: no such class; name another\n"
