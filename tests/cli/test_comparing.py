from __future__ import annotations

import json
from pathlib import Path

import pytest

from kdsearch.commands import run
from kdsearch.rundir.store import create_run, write_summary
from kdsearch.spec.study_spec import load_spec
from tests.report.conftest import TASK, WINNER, blank, make_student


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def finish(name: str, accuracy: float, *sets: str, folder: str | None = None, **task: object) -> None:
    """A run that has ended with a winner of this accuracy."""
    paths = create_run(load_spec("quickstart", [f"name={name}", *sets]), folder and Path(folder))
    rows = [make_student("winner", WINNER, accuracy=accuracy, macs=70_000_000)]
    write_summary(paths, blank(name=name, students=rows, seconds={"search": 5.0}, task=TASK | task))


def test_runs_are_named_by_their_directories_and_set_against_the_first(capsys):
    finish("a", 0.91)
    finish("b", 0.95, "seed=3")
    assert run(["compare", "a", "runs/b"]) == 0
    said = capsys.readouterr().out
    assert "vs a" in said.splitlines()[0]
    assert "b, winner, against a, winner: +4.0 points, ahead (95% interval " in said
    assert "Size: parameters and buffers; of exported nets their largest file.\n" in said
    assert said.splitlines()[-2:] == ["differs in  a  b", "seed        0  3"]
    assert run(["compare", "a", "b", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["differing"] == {"seed": ["0", "3"]}
    assert [each["run"] for each in told["runs"]] == ["a", "b"]


def test_runs_of_one_name_are_named_by_their_paths(capsys):
    finish("a", 0.91, folder="x/run")
    finish("a", 0.95, folder="y/run")
    assert run(["compare", "x/run", "y/run"]) == 0
    said = capsys.readouterr().out
    assert "y/run, winner, against x/run, winner" in said
    assert said.endswith("The studies and the versions that ran them are the same.\n")


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["a"], 2, "compare: needs two or more runs (got "),
        (["a", "runs/a", "./runs/a"], 2, "compare: needs two or more runs (got "),
        (["a", "nosuch"], 2, "nosuch: not a run directory"),
        (["a", "begun"], 1, "{here}/runs/begun/summary.json: not there yet; the run has not finished"),
        (["a", "other"], 2, "other: has other classes, or in another order, than a; there is nothing to compare"),
    ],
)
def test_what_cannot_be_compared_is_one_line(words, code, line, capsys, tmp_path):
    finish("a", 0.91)
    finish("other", 0.91, classes=list("abcdefghij"))
    create_run(load_spec("quickstart", ["name=begun"]))
    assert run(["compare", *words]) == code
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(line.format(here=tmp_path))
