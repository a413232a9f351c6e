from __future__ import annotations

import json

import pytest

from kdsearch.candidates.space import Candidate, Choice
from kdsearch.cli.runs import describe_progress
from kdsearch.commands import run
from kdsearch.errors import StoreError
from kdsearch.files import hash_file
from kdsearch.records import Outcome, RunPaths
from kdsearch.rundir.ledger import Ledger
from kdsearch.rundir.store import RunLock, create_run, find_driver, write_summary
from kdsearch.spec.study_spec import load_spec
from tests.report.conftest import WINNER, blank, make_student


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def begun() -> RunPaths:
    """A run that was stopped in its search, after two trials and a failure."""
    spec = load_spec("quickstart")
    paths = create_run(spec)
    with Ledger(paths, spec.storage, spec.name, (Choice("conv", (8, 16, 32)),)) as ledger:
        for number, (width, accuracy) in enumerate([(8, 0.5), (32, 0.75)]):
            candidate = Candidate.of({"conv": width})
            ledger.append(Outcome(number, candidate, "done", {"accuracy": accuracy}, {"macs": 100 * width}, 1.0))
        ledger.append(Outcome(2, Candidate.of({"conv": 16}), "failed", traceback="ValueError: bad"))
    return paths


def finish(paths: RunPaths, state: str = "done") -> None:
    row = make_student("winner", WINNER, accuracy=0.875, macs=9)
    write_summary(paths, blank(name="quickstart", state=state, students=[row]))


def test_status_of_an_unfinished_run_says_how_far_it_is_and_how_to_go_on(begun, capsys):
    found = describe_progress(begun.root)
    assert found["state"] == "unfinished"
    assert found["trials"] == {"done": 2, "failed": 1, "of": load_spec("quickstart").budget.trials}
    assert found["best"] == {"trial": 1, "accuracy": 0.75, "macs": 3200}
    assert run(["status", "quickstart"]) == 0
    assert f"kdsearch resume {begun.root}" in " ".join(capsys.readouterr().out.split())


def test_status_reads_a_run_under_way_and_names_its_driver(begun):
    with RunLock(begun):
        found = describe_progress(begun.root)
        assert found["state"] == "running"
        assert found["driver"].startswith("process ")
    assert find_driver(begun) == ""


def test_asking_for_the_driver_does_not_keep_one_out(begun):
    assert find_driver(begun) == ""
    with RunLock(begun):
        pass
    assert find_driver(begun) == ""
    with RunLock(begun):
        assert find_driver(begun)


def test_status_of_a_run_that_just_began_needs_no_ledger(capsys):
    create_run(load_spec("quickstart"))
    assert run(["status", "quickstart", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["trials"]["done"] == 0


def test_a_damaged_file_of_a_run_is_one_line(begun, capsys):
    (begun.root / "summary.json").write_text("{")
    assert run(["status", "quickstart"]) == StoreError.exit_code
    assert "summary.json: cannot be read:" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["status"], ["report"], ["export", "--to", "x"], ["resume"], ["dashboard"]])
def test_a_damaged_study_of_a_run_is_one_line(begun, command, capsys):
    (begun.root / "spec.json").write_text("{}")
    assert run([*command, "quickstart"]) == StoreError.exit_code
    [line] = capsys.readouterr().err.splitlines()
    assert "spec.json: holds no study" in line


def test_report_writes_the_page_and_says_where(begun, capsys):
    finish(begun)
    assert run(["report", "quickstart"]) == 0
    assert capsys.readouterr().out == f"{begun.root / 'report.html'}\n"
    assert (begun.root / "report.html").stat().st_size > 1000


def test_status_says_whether_exported_files_are_still_whole(begun):
    finish(begun)
    assert "files" not in describe_progress(begun.root)
    folder = begun.root / "students/winner"
    folder.mkdir()
    (folder / "model.pt").write_bytes(b"net")
    about = {"path": "model.pt", "sha256": hash_file(folder / "model.pt")}
    (folder / "manifest.json").write_text(json.dumps({"schema": 1, "files": {"torchscript": about}}))
    files = {"torchscript": "students/winner/model.pt", "weights": "students/winner/weights.safetensors"}
    row = make_student("winner", WINNER, accuracy=0.875, macs=9) | {"files": files}
    write_summary(begun, blank(name="quickstart", students=[row]))
    assert describe_progress(begun.root)["files"] == {"winner": "as they were exported"}
    (folder / "model.pt").write_bytes(b"another")
    assert "model.pt: its SHA-256 is not the one in" in describe_progress(begun.root)["files"]["winner"]
