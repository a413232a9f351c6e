from __future__ import annotations

import io
import os
import pty
import subprocess
import sys

from kdsearch.progress import Progress, unwatched
from kdsearch.report.console import live, print_dry_run, print_list, print_status, print_summary
from kdsearch.report.live import Lines
from tests.report.conftest import blank


class Clock:
    """A clock that stands still until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_off_a_terminal_a_second_passes_between_lines_unless_something_happens():
    stream, clock = io.StringIO(), Clock()
    lines = Lines(stream, clock)
    for step in range(1, 101):
        clock.now += 0.1
        lines(Progress("search", step, 1000, values={"accuracy": 0.6 if step == 55 else 0.5}))
    written = stream.getvalue().splitlines()
    assert len(written) == 11  # the first, the new best at step 55, and one a second
    assert sum("60.0 %" in line for line in written) == 1


def test_a_log_of_hours_stays_short():
    stream, clock = io.StringIO(), Clock()
    lines = Lines(stream, clock)
    for step in range(1, 36_001):
        clock.now += 0.1
        lines(Progress("prepare", step, 40_000))
    assert 100 < len(stream.getvalue().splitlines()) < 400


def test_new_phases_and_ends_are_always_told():
    stream = io.StringIO()
    with live(stream) as watch:
        watch(Progress("prepare", 0, 2))
        watch(Progress("prepare", 1, 2))
        watch(Progress("prepare", 2, 2, "done"))
        watch(Progress("search", 0, 0))
    assert stream.getvalue().splitlines() == ["prepare 0/2", "prepare 2/2  done", "search"]


def test_quiet_writes_nothing():
    stream = io.StringIO()
    with live(stream, quiet=True) as watch:
        watch(Progress("search", 1, 2))
        assert watch is unwatched
    assert stream.getvalue() == ""


def test_a_terminal_gets_a_display_and_the_log_goes_above_it():
    leader, follower = pty.openpty()
    program = """
import logging, sys, time
from kdsearch.progress import Progress
from kdsearch.report.console import live
logging.basicConfig(stream=sys.stderr)
with live() as watch:
    for step in range(4):
        watch(Progress("search", step, 10, "mutation of 3", {"accuracy": 0.5 + step / 100, "macs": 1.23e7}))
    logging.warning("a remark")
    time.sleep(0.4)
assert logging.getLogger().handlers[0].stream is sys.__stderr__ is sys.stderr
"""
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=follower,
        env=environment,
        timeout=30,
        check=False,
    )
    os.close(follower)
    shown = os.read(leader, 1 << 16).decode()
    os.close(leader)
    assert done.returncode == 0, shown
    assert done.stdout == b""
    for words in ("3/10", "mutation of 3", "53.0 %", "12.3 M", "best so far", "a remark", "━"):
        assert words in shown


def test_the_summary_shows_every_net_and_answer(summary):
    stream = io.StringIO()
    print_summary(summary, stream)
    text = stream.getvalue()
    for words in ("winner", "91.3 ± 0.4 %", "uniform", "+1.5", "random-2", "full", "150 M", "2.44 ms"):
        assert words in text
    assert "Was the search worth it? yes: +1.5 points" in text
    assert "runs/vgg11-cifar10/students/winner/model.ptl" in text
    assert "runs/vgg11-cifar10/report.html" in text
    assert "\x1b" not in text


def test_the_summary_of_a_run_without_students_still_says_where_it_stands(summary):
    stream = io.StringIO()
    print_summary(blank(state="stopped", run_dir="runs/x"), stream)
    assert "x: stopped" in stream.getvalue()
    assert "No student has been trained yet." in stream.getvalue()


def test_names_that_look_like_markup_are_printed_as_they_are(summary):
    stream = io.StringIO()
    summary["name"] = "[bold]net[/bold]"
    print_summary(summary, stream)
    assert "[bold]net[/bold]" in stream.getvalue()


def test_facts_are_said_in_their_units():
    stream = io.StringIO()
    print_dry_run({"candidates": 1.7e7, "full": {"macs": 1.5e8}, "evaluations": 200, "hours": {"search": 0.25}}, stream)
    rows = [line.split(maxsplit=1) for line in stream.getvalue().splitlines()]
    assert [[name, said.strip()] for name, said in rows] == [
        ["full.macs", "150 M"],
        ["evaluations", "200"],
        ["search", "space  1.7e+07 candidates"],
        ["time.search", "15 min"],
    ]


def test_budgets_and_nets_of_a_forecast_are_sentences():
    stream = io.StringIO()
    forecast = {
        "budgets": [{"macs": [2.85e7, 3e7], "parameters": [None, 1e6]}, {}],
        "uniform": [{"macs": 29_000_000, "parameters": 900_000}],
        "frozen": [["stem", "read by two"]],
        "hours": {"total": 1.5},
    }
    print_dry_run(forecast, stream)
    rows = [line.split(maxsplit=1) for line in stream.getvalue().splitlines()]
    assert [[name, said.strip()] for name, said in rows] == [
        ["budgets", "macs 28.5 M to 30.0 M, parameters at most 1 M; no limit"],
        ["uniform", "macs 29.0 M, parameters 900 k"],
        ["frozen", "stem: read by two"],
        ["time.total", "1 h 30 min"],
    ]


def test_a_status_says_times_and_accuracies_as_such():
    status = {"state": "running", "seconds": {"prepare": 200}, "students": {"winner": 0.91}, "trials": {"done": 3}}
    stream = io.StringIO()
    print_status(status | {"best": {}}, stream)
    rows = [line.split(maxsplit=1) for line in stream.getvalue().splitlines()]
    assert [[name, said.strip()] for name, said in rows] == [
        ["state", "running"],
        ["seconds.prepare", "3 min 20 s"],
        ["students.winner", "91.0 %"],
        ["trials.done", "3"],
        ["best", "–"],
    ]


def test_runs_are_listed_one_a_line():
    stream = io.StringIO()
    print_list([{"name": "a", "state": "done", "accuracy": 0.91}, {"name": "b", "state": "running"}], stream)
    rows = [line.split() for line in stream.getvalue().splitlines()]
    assert rows == [["name", "state", "accuracy"], ["a", "done", "91.0", "%"], ["b", "running"]]


def test_the_console_does_not_load_torch():
    program = "import sys, kdsearch.report.console, kdsearch.report.html; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=30).returncode == 0


def test_a_stream_that_cannot_write_a_sign_gets_a_question_mark(summary):
    binary = io.BytesIO()
    stream = io.TextIOWrapper(binary, encoding="ascii")
    print_summary(summary, stream)
    with live(stream) as watch:
        watch(Progress("search", 1, 2, "größer"))
    stream.flush()
    assert b"91.3 ? 0.4 %" in binary.getvalue()
    assert b"gr??er" in binary.getvalue()
