"""A small study from the command line to its exported files, and what signals and limits do to it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from kdsearch.exporters.base_manifest import read_manifest
from kdsearch.spec.study_spec import load_spec
from tests.forked import fork
from tests.tiny import outcomes_of, untimed

pytestmark = [pytest.mark.medium, pytest.mark.timeout(120)]
CLI = Path(__file__).parents[2] / "cli.py"
SMALL = (
    "student={net: lenet5}",
    "limits={macs: 50%}",
    "task={name: classification, dataset: mnist5k, train_images: 256}",
    "search={name: random}",
    "strategy={name: metapruning, epochs: 1, pretrain_epochs: 1, check_genes: 2, calibration_images: 64}",
    "finish={name: scratch, epochs: 1, controls: {full: false}}",
    "budget={trials: 4}",
)


class Done(NamedTuple):
    returncode: int | None
    stdout: str
    stderr: str


def words(command: str, *more: str, sets: Sequence[str] = ()) -> list[str]:
    return [command, *more, *(word for text in sets for word in ("--set", text))]


def call(folder: Path, command: str, *more: str, sets: Sequence[str] = ()) -> Done:
    with fork(*words(command, *more, sets=sets), folder=folder) as running:
        said = running.communicate()
    return Done(running.returncode, *said)


@pytest.fixture(scope="module")
def launched(tmp_path_factory) -> tuple[Path, Done]:
    folder = tmp_path_factory.mktemp("launched")
    return folder, call(folder, "launch", "quickstart", "--json", sets=SMALL)


def test_launch_prints_its_summary_as_json_and_progress_elsewhere(launched):
    folder, done = launched
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["state"] == "done"
    assert summary["run_dir"] == str(folder / "runs/quickstart")
    assert summary["trials"]["done"] == 4
    assert {row["role"] for row in summary["students"]} == {"winner", "uniform"}
    assert "search" in done.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["runs"]
    assert read_manifest(folder / "runs/quickstart/students/winner")["schema"] == 1


def test_the_saved_study_is_the_one_launched(launched):
    folder, _ = launched
    saved = load_spec(folder / "runs/quickstart/spec.yaml")
    assert saved == load_spec("quickstart", SMALL)


def test_status_list_and_export_read_the_run(launched):
    folder, _ = launched
    told = json.loads(call(folder, "status", "quickstart", "--json").stdout)
    assert (told["state"], told["files"]) == ("done", {"winner": "as they were exported"})
    assert json.loads(call(folder, "list", "--json").stdout)["runs"][0]["state"] == "done"
    done = call(folder, "export", "quickstart", "--student", "winner", "--to", "phone", "--json")
    assert done.returncode == 0, done.stderr
    assert read_manifest(folder / "phone")["classes"] == [str(digit) for digit in range(10)]
    assert max(json.loads(done.stdout)["parity"].values()) < 1e-4
    refused = call(folder, "export", "quickstart", "--student", "uniform", "--to", "phone")
    assert refused.returncode == 2
    assert refused.stderr.startswith("phone: holds another student, ")


def test_a_study_that_ran_out_of_minutes_gives_its_result_and_exit_3(tmp_path):
    sets = (*SMALL, "budget={trials: 100000, minutes: 0.001}")
    command = [sys.executable, str(CLI), *words("launch", "quickstart", "--json", "--quiet", sets=sets)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    summary = json.loads(done.stdout)
    assert summary["state"] == "stopped"
    assert summary["students"]


@pytest.mark.parametrize(("number", "name", "code"), [(signal.SIGINT, "Ctrl-C", 130), (signal.SIGTERM, "SIGTERM", 143)])
def test_a_signal_ends_a_launch_with_one_line_that_resumes_it(tmp_path, number, name, code):
    command = words("launch", "quickstart", sets=(*SMALL, "budget={trials: 100000}"))
    with fork(*command, folder=tmp_path) as run:
        for line in run.stderr:
            if line.startswith("search"):
                break
        run.send_signal(number)
        output, said = run.communicate(timeout=60)
    assert run.returncode == code
    assert said.splitlines()[-1] == f"stopped by {name}; go on with: kdsearch resume runs/quickstart"
    assert "Traceback" not in said
    assert output == ""
    assert json.loads(call(tmp_path, "status", "quickstart", "--json").stdout)["state"] == "unfinished"


@pytest.mark.parametrize("phase", ["finish"])
def test_two_stops_in_a_row_leave_a_run_that_ends_as_if_there_had_been_none(launched, tmp_path, phase):
    folder, whole = launched
    command = words("launch", "quickstart", sets=SMALL)
    with fork(*command, folder=tmp_path) as run:
        for line in run.stderr:
            if line.startswith(f"{phase} "):
                break
        run.send_signal(signal.SIGINT)
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=60)
    assert run.returncode in (130, -signal.SIGINT)  # the second may come after the end
    done = call(tmp_path, "resume", "quickstart", "--json")
    assert done.returncode == 0, done.stderr
    assert untimed(json.loads(done.stdout)["students"]) == untimed(json.loads(whole.stdout)["students"])
    assert outcomes_of(tmp_path / "runs/quickstart") == outcomes_of(folder / "runs/quickstart")


def test_a_dry_run_writes_nothing(tmp_path):
    done = call(tmp_path, "launch", "quickstart", "--dry-run", "--json", sets=SMALL)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    assert list(tmp_path.iterdir()) == []
