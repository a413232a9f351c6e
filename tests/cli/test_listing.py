from __future__ import annotations

import json
from pathlib import Path

import pytest

from kdsearch.commands import run
from kdsearch.files import save_json
from kdsearch.records import RunPaths
from kdsearch.rundir.store import RunLock, create_run, write_summary
from kdsearch.spec.study_spec import load_spec
from tests.cards import write_card
from tests.report.conftest import WINNER, blank, make_student

pytestmark = pytest.mark.usefixtures("elsewhere")


def finish(paths: RunPaths, state: str = "done") -> None:
    row = make_student("winner", WINNER, accuracy=0.875, macs=9)
    write_summary(paths, blank(name="quickstart", state=state, students=[row]))


def teach(name: str, **files: object) -> Path:
    """The directory of a teacher's training with these JSON files in it."""
    folder = Path("runs") / name
    folder.mkdir(parents=True)
    save_json(folder / "asked.json", {"name": name, "net": {"net": "resnet20", "width": 0.5}})
    for stem, content in files.items():
        save_json(folder / f"{stem}.json", content)
    return folder


def listed(capsys) -> dict[str, dict]:
    capsys.readouterr()
    assert run(["list", "--json"]) == 0
    return {Path(row["run"]).name: row for row in json.loads(capsys.readouterr().out)["runs"]}


def test_runs_are_listed_with_their_state_and_winner(begun, capsys):
    assert run(["list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == [
        {
            "run": "runs/quickstart",
            "state": "unfinished",
            "net": "lenet5",
            "strategy": "metapruning",
            "accuracy": None,
        }
    ]
    finish(begun)
    assert run(["list", "--json"]) == 0
    [row] = json.loads(capsys.readouterr().out)["runs"]
    assert (row["state"], row["accuracy"]) == ("done", 0.875)
    assert run(["list"]) == 0
    text = capsys.readouterr().out
    assert "runs/quickstart" in text
    assert "metapruning_imagenet.yaml" in text


def test_trainings_of_teachers_are_listed_with_their_state(tmp_path, capsys):
    teach("teach-a")
    teach("teach-b", failure={"state": "failed", "reason": "DataError: gone.npz: file not found"})
    rows = listed(capsys)
    assert rows["teach-a"] == {
        "run": "runs/teach-a",
        "state": "unfinished",
        "net": "resnet20",
        "strategy": "teach",
        "accuracy": None,
    }
    assert (rows["teach-b"]["state"], rows["teach-b"]["reason"]) == ("failed", "DataError: gone.npz: file not found")
    with RunLock(RunPaths(Path("runs/teach-a"))):
        assert listed(capsys)["teach-a"]["state"] == "running"


@pytest.mark.medium
@pytest.mark.timeout(60)
def test_a_teacher_that_is_trained_is_listed_with_its_accuracy_and_status_names_its_card(tmp_path, capsys):
    assert run(["teach", str(write_card(tmp_path)), "--set", "recipe.epochs=1", "--quiet"]) == 0
    row = listed(capsys)["teach-tiny"]
    assert (row["state"], row["strategy"]) == ("done", "teach")
    assert 0 < row["accuracy"] <= 1
    assert run(["status", "teach-tiny", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["card"] == str(tmp_path / "runs/teach-tiny/card.yaml")
    assert found["accuracy"] == row["accuracy"]


def test_status_of_a_training_that_stopped_says_how_it_goes_on(capsys):
    teach("teach-a")
    assert run(["status", "teach-a"]) == 0
    assert "the kdsearch teach command that began it" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["report"], ["resume"], ["trials"], ["export", "--to", "x"], ["dashboard"]])
def test_commands_on_studies_send_a_teachers_directory_to_status(command, capsys):
    teach("teach-a")
    assert run([*command, "teach-a"]) == 2
    assert capsys.readouterr().err == (
        "teach-a: a teacher was trained there, it is no study's run; see: kdsearch status teach-a\n"
    )


DAMAGES = {
    "study": lambda: (create_run(load_spec("quickstart")).root / "spec.json").write_text("{}"),
    "summary": lambda: (create_run(load_spec("quickstart")).root / "summary.json").write_text("[]"),
    "failure": lambda: (create_run(load_spec("quickstart")).root / "failure.json").write_text("3"),
    "card": lambda: (teach("quickstart") / "card.yaml").write_text("name: ["),
    "asked": lambda: (teach("quickstart") / "asked.json").write_text("null"),
    "net": lambda: (teach("quickstart") / "asked.json").write_text('{"net": {"net": "nosuch"}}'),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_run_is_a_row_and_a_line_among_the_others(damage, capsys):
    create_run(load_spec("quickstart", ["name=whole"]))
    DAMAGES[damage]()
    rows = listed(capsys)
    assert (rows["quickstart"]["state"], rows["whole"]["state"]) == ("damaged", "unfinished")
    assert run(["list"]) == 0
    said = capsys.readouterr().out
    [line] = [line for line in said.splitlines() if line.startswith("runs/quickstart is damaged: ")]
    assert rows["quickstart"]["reason"] in line


def test_a_study_that_failed_says_why_below_the_table(begun, capsys):
    save_json(begun.root / "failure.json", {"state": "failed", "reason": "no space left"})
    assert run(["list"]) == 0
    assert "runs/quickstart failed: no space left\n" in capsys.readouterr().out
    assert "reason" not in capsys.readouterr().out
