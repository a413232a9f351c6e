from __future__ import annotations

import csv
import io
import json

import pytest

from kdsearch.candidates.space import Candidate, Choice, Real
from kdsearch.cli.trials import say_state
from kdsearch.commands import run
from kdsearch.records import Outcome
from kdsearch.rundir.ledger import Ledger
from kdsearch.rundir.store import create_run
from kdsearch.spec.study_spec import load_spec

PARAMETERS = (Choice("conv", (8, 16, 32)), Choice("stages.0.conv", (4, 8)), Real("terms.kd", 0.1, 10.0, log=True))


def gene(conv: int, second: int, weight: float, origin: str) -> Candidate:
    return Candidate.of({"conv": conv, "stages.0.conv": second, "terms.kd": weight}, origin)


FIRST, SECOND, THIRD = gene(8, 4, 1.5, "random"), gene(16, 8, 3.0, "random, bent"), gene(32, 8, 0.25, "mutation of 0")
OUTCOMES = (
    Outcome(2, THIRD, "failed", seconds=1.0, traceback="Traceback\nValueError: bad, worse"),
    Outcome(0, FIRST, "done", {"accuracy": 0.5, "score": -1.25}, {"macs": 1000, "size_bytes": 2000}, 61.0),
    Outcome(
        1, SECOND, "done", {"accuracy": 0.75, "score": -0.5, "pruned": 1.0}, {"macs": 2000, "size_bytes": 3000}, 2.0
    ),
)


@pytest.fixture(autouse=True)
def begun(tmp_path, monkeypatch):
    """A run with three trials: one done, one stopped by the pruner, one failed; they ended in another order."""
    monkeypatch.chdir(tmp_path)
    spec = load_spec("quickstart")
    paths = create_run(spec)
    with Ledger(paths, spec.storage, spec.name, PARAMETERS) as ledger:
        for outcome in OUTCOMES:
            ledger.append(outcome)
    return paths


def test_the_table_has_a_line_a_trial_in_the_order_of_numbers(capsys):
    assert run(["trials", "quickstart"]) == 0
    heads, *lines, counts = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert heads == ["trial", "accuracy", "nats", "MACs", "size", "time", "state", "origin", "gene"]
    assert [" ".join(line) for line in lines] == [
        "0 50.00 % −1.250 1 k 2 kB 1 min 1 s done random 8 4 1.5",
        "1 75.00 % −0.500 2 k 3 kB 2.0 s pruned random, bent 16 8 3",
        "2 – – – – 1.0 s failed mutation of 0 ValueError: bad, worse",
    ]
    assert " ".join(counts) == "3 trials: 1 done, 1 pruned, 1 failed; every figure and whole genes: --csv"


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_a_narrow_terminal_still_gets_a_line_a_trial(columns, capsys, monkeypatch):
    monkeypatch.setattr("kdsearch.report.console.PLAIN_WIDTH", columns)
    assert run(["trials", "quickstart"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert max(map(len, lines[:4])) <= columns
    assert ("size" in lines[0]) == (columns > 80)


def test_csv_holds_every_figure_and_gene_as_it_was_written(capsys):
    assert run(["trials", "quickstart", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["trial"] for row in rows] == ["0", "1", "2"]
    assert [row["state"] for row in rows] == ["done", "pruned", "failed"]
    assert [row["reason"] for row in rows] == ["", "", "ValueError: bad, worse"]
    for row, outcome in zip(rows, sorted(OUTCOMES, key=lambda each: each.number), strict=True):
        assert {name: row[f"candidate.{name}"] for name in outcome.candidate.values} == {
            name: str(value) for name, value in outcome.candidate.values.items()
        }
        assert {name: float(row[f"metrics.{name}"]) for name in outcome.metrics} == dict(outcome.metrics)
        assert {name: float(row[f"costs.{name}"]) for name in outcome.costs} == dict(outcome.costs)
        assert float(row["seconds"]) == outcome.seconds
    assert rows[2]["metrics.accuracy"] == ""


def test_json_holds_the_same(capsys):
    assert run(["trials", "quickstart", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["trials"]
    assert found[1]["metrics"] == {"accuracy": 0.75, "score": -0.5, "pruned": 1.0}
    assert found[1]["candidate"] == {"conv": 16, "stages.0.conv": 8, "terms.kd": 3.0}
    assert (found[2]["state"], found[2]["metrics"]) == ("failed", {})


def test_a_run_without_trials_says_so(capsys):
    create_run(load_spec("quickstart", ["name=fresh"]))
    assert run(["trials", "fresh"]) == 0
    assert capsys.readouterr().out == "no trial has ended yet\n"
    assert run(["trials", "fresh", "--csv"]) == 0
    assert capsys.readouterr().out == "trial\n"


def test_the_state_says_how_a_trial_was_given_up():
    assert [say_state(outcome) for outcome in OUTCOMES] == ["failed", "done", "pruned"]
    assert say_state(Outcome(3, OUTCOMES[0].candidate, "done", {"dropped": 1.0})) == "dropped"
