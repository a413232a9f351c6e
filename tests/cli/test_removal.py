from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from kdsearch.cli.removal import delete_run, measure_bytes
from kdsearch.commands import run
from kdsearch.errors import StoreError
from kdsearch.rundir.store import RunLock, create_run
from kdsearch.spec.study_spec import load_spec

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture
def taught() -> Path:
    """The directory of a teacher's training."""
    folder = Path("runs/teach-mine")
    folder.mkdir(parents=True)
    (folder / "asked.json").write_text('{"net": {"net": "lenet5"}}')
    return folder


def test_runs_and_trainings_of_teachers_are_deleted(begun, taught, capsys):
    (begun.checkpoints / "net.pt").write_bytes(bytes(1000))
    size = sum(path.stat().st_size for path in begun.root.rglob("*") if path.is_file())
    assert size == measure_bytes(begun.root)
    assert run(["rm", "quickstart", "runs/teach-mine", "quickstart", "--yes"]) == 0
    assert [path.name for path in Path("runs").iterdir()] == []
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"deleted {begun.root} ({size / 1000:.2f} kB)"
    assert second.startswith("deleted ")


def test_trials_in_a_storage_of_the_users_own_stay_there_and_that_is_said(tmp_path, capsys):
    paths = create_run(load_spec("quickstart", [f"storage=sqlite:///{tmp_path}/all.db"]))
    assert run(["rm", "quickstart", "--yes"]) == 0
    assert capsys.readouterr().err == f"{paths.root}: its trials stay in sqlite:///{tmp_path}/all.db\n"


def test_as_json_it_says_what_is_gone(begun, capsys):
    assert run(["rm", "quickstart", "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["deleted"] == [str(begun.root)]


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("Yes\n", 0), ("n\n", 1), ("\n", 1), ("", 1)])
def test_it_asks_and_takes_nothing_but_yes_for_yes(begun, answer, code, capsys, monkeypatch):
    ours, theirs = os.openpty()
    os.write(ours, answer.encode() or b"\x04")  # end of input, as Ctrl-D types it
    with os.fdopen(theirs, encoding="utf-8") as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        assert run(["rm", "quickstart"]) == code
    os.close(ours)
    assert begun.root.exists() == (code == 1)
    said = capsys.readouterr().err
    assert f"{begun.root} (" in said
    assert "delete this run? [y/N] " in said


def test_where_nobody_can_be_asked_nothing_is_deleted(begun, capsys, monkeypatch):
    with open(os.devnull) as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        assert run(["rm", "quickstart"]) == 1
    assert "nobody is there to be asked; kdsearch rm --yes deletes without a question" in capsys.readouterr().err
    assert begun.root.exists()


def test_a_run_that_a_process_drives_stays_and_so_do_all_others(begun, taught, capsys):
    with RunLock(begun):
        assert run(["rm", "teach-mine", "quickstart", "--yes"]) == 1
    assert "quickstart: in use by process " in capsys.readouterr().err
    assert taught.exists()
    assert begun.root.exists()
    with RunLock(begun), pytest.raises(StoreError, match="in use by process"):
        delete_run(begun.root)


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (lambda: Path("mine").mkdir(), "mine: not a run directory, nor the name of a run"),
        (lambda: Path("mine").write_text(""), "mine: not a run directory, nor the name of a run"),
        (lambda: None, "mine: not a run directory, nor the name of a run"),
        (lambda: openapi(Path("mine")), "mine: holds a spec.json, but no prepared/ as every run has; "),
        (lambda: Path("mine").symlink_to("runs/quickstart"), "mine: is a link to "),
    ],
)
def test_what_is_no_run_directory_is_refused(begun, made, line, capsys):
    made()
    before = sorted(Path().rglob("*"))
    assert run(["rm", "mine", "--yes"]) == 2
    assert capsys.readouterr().err.startswith(line)
    assert sorted(Path().rglob("*")) == before


def openapi(folder: Path) -> None:
    """Somebody's project that happens to have a file of that name."""
    folder.mkdir()
    (folder / "spec.json").write_text('{"openapi": "3.1.0"}')
    (folder / "work.py").write_text("")


def test_links_in_a_run_go_and_what_they_lead_to_stays(begun):
    kept = Path("photos")
    kept.mkdir()
    (kept / "one.jpg").write_text("1")
    (begun.root / "all").symlink_to(kept.absolute())
    (begun.prepared / "all").symlink_to(kept.absolute())
    (begun.logs / "one").symlink_to((kept / "one.jpg").absolute())
    shutil.rmtree(begun.students)
    begun.students.symlink_to(kept.absolute())
    delete_run(begun.root)
    assert not begun.root.exists()
    assert (kept / "one.jpg").read_text() == "1"


def test_what_is_left_of_an_interrupted_rm_is_still_a_run(begun, monkeypatch, capsys):
    removed = []

    def fail(path: str) -> None:
        removed.append(path)
        if len(removed) > 1:
            raise OSError(16, "Device or resource busy", path)

    monkeypatch.setattr("kdsearch.cli.removal.shutil.rmtree", fail)
    assert run(["rm", "quickstart", "--yes"]) == 1
    assert capsys.readouterr().err.endswith(": cannot be deleted: device or resource busy\n")
    assert (begun.root / "spec.json").exists()
