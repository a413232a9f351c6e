"""Ledgers in storages that others use too, or that cannot be used at all."""

from __future__ import annotations

import json

import pytest

from kdsearch.candidates.space import Candidate, Choice
from kdsearch.errors import StoreError
from kdsearch.records import Outcome, RunPaths
from kdsearch.rundir.ledger import Ledger, check_storage, read_outcomes

PARAMETERS = (Choice("stage", (4, 7, 16)),)
OUTCOME = Outcome(0, Candidate.of({"stage": 7}, "random"), "done", {"accuracy": 0.5}, {"macs": 9}, 1.25)


def test_runs_that_share_a_database_do_not_see_each_others_trials(tmp_path):
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    runs = [RunPaths(tmp_path / name) for name in ("toy", "toy-2")]
    for run in runs:
        run.root.mkdir()
        (run.root / "spec.json").write_text(json.dumps({"name": "toy", "storage": url}))
        with Ledger(run, url, "toy", PARAMETERS) as ledger:
            assert ledger.outcomes() == []
            ledger.append(OUTCOME)
    assert [len(read_outcomes(run)) for run in runs] == [1, 1]
    assert read_outcomes(runs[0]) == [OUTCOME]


def test_a_storage_that_cannot_be_reached_is_told_in_one_line_without_its_password(tmp_path):
    url = "postgresql://me:secret@nowhere.invalid/studies"
    with pytest.raises(StoreError, match=r"storage nowhere\.invalid/studies: the ledger cannot be read: ") as raised:
        Ledger(RunPaths(tmp_path), url, "toy", PARAMETERS)
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("storage", "said"),
    [
        ("nonsense://me:secret@host/studies", r"storage: host/studies cannot be opened: .*nonsense"),
        ("sqlite+nonsense:///study.db", r"storage: sqlite\+nonsense:///study\.db cannot be opened: "),
    ],
)
def test_a_storage_that_cannot_be_one_is_refused_before_anything_is_made(storage, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match=said) as raised:
        check_storage(storage)
    assert "secret" not in str(raised.value)
    for good in ("journal", "sqlite:///study.db"):
        check_storage(good)
    assert list(tmp_path.iterdir()) == []
