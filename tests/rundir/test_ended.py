import json

import pytest

from kdsearch.candidates.space import Candidate, Choice
from kdsearch.errors import StoreError
from kdsearch.records import Outcome, RunPaths
from kdsearch.rundir.ended import read_ended
from kdsearch.rundir.ledger import Ledger

PARAMETERS = (Choice("stage", (4, 7)),)


@pytest.fixture
def paths(tmp_path):
    """A run with a ledger of two trials, one of them failed."""
    (tmp_path / "spec.json").write_text(json.dumps({"name": "toy", "storage": "journal"}))
    paths = RunPaths(tmp_path)
    with Ledger(paths, "journal", "toy", PARAMETERS) as ledger:
        for number, state in enumerate(("done", "failed")):
            candidate = Candidate.of({"stage": PARAMETERS[0].values[number]}, "drawn")
            metrics = {"accuracy": 0.5, "accuracy_stderr": 0.1, "images": 4} if state == "done" else {}
            ledger.append(Outcome(number, candidate, state, metrics, {"macs": 9}, 0.5))
    return paths


def counting(done: int, failed: int) -> dict:
    return {"trials": {"done": done, "failed": failed, "cached": 0}}


@pytest.mark.parametrize("counted", [(1, 1), (1, 0), (0, 0)], ids=["all", "the run goes on", "nothing so far"])
def test_a_ledger_with_what_the_summary_counts_is_read(paths, counted):
    assert [outcome.number for outcome in read_ended(paths, counting(*counted))] == [0, 1]


@pytest.mark.parametrize("lost", ["content", "file", "nothing"])
def test_a_ledger_that_lost_trials_is_refused_with_what_helps(paths, lost):
    journal, counted = paths.root / "study.journal", (1, 1)
    if lost == "content":
        journal.write_text("")
    elif lost == "file":
        journal.unlink()
    else:
        counted = (2, 1)
    with pytest.raises(StoreError, match=r"study\.journal: the ledger holds \d of the [23] trials .* kdsearch resume"):
        read_ended(paths, counting(*counted))
