from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kdsearch.errors import StoreError
from kdsearch.records import RunPaths
from kdsearch.rundir.store import (
    RunLock,
    create_run,
    open_run,
    read_spec,
    read_summary,
    warn_of_changed_yaml,
    write_summary,
)
from kdsearch.spec.study_spec import StudySpec, load_spec, loads
from tests.report.conftest import blank

ROOT = Path(__file__).parents[2]
_STUDY = """
name: toy
task: {dataset: mnist5k}
student: {net: lenet5}
limits: {macs: 50%}
strategy: {name: metapruning}
finish: {name: scratch}
"""


@pytest.fixture
def spec(tmp_path) -> StudySpec:
    path = tmp_path / "toy.yaml"
    path.write_text(_STUDY)
    return load_spec(path)


def test_a_study_changed_since_the_launch_is_refused_and_says_where(spec, tmp_path):
    paths = create_run(spec, tmp_path / "run")
    changed = (paths.root / "spec.json").read_text().replace('"seed": 0', '"seed": 1')
    (paths.root / "spec.json").write_text(changed)
    with pytest.raises(StoreError, match=r"spec\.json: has been changed since the launch \(seed\); undo that, or"):
        read_spec(paths)


def test_a_changed_copy_for_people_is_a_warning(spec, tmp_path, caplog):
    paths = create_run(spec, tmp_path / "run")
    warn_of_changed_yaml(paths)
    assert caplog.text == ""
    (paths.root / "spec.yaml").write_text("name: other")
    warn_of_changed_yaml(paths)
    assert "spec.yaml: has been changed; the run goes on as it was launched" in caplog.text
    assert read_spec(paths) == spec


def test_a_second_run_of_a_name_gets_a_numbered_directory(spec, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    roots = [create_run(spec).root for _ in range(3)]
    assert roots == [tmp_path / "runs" / name for name in ("toy", "toy-2", "toy-3")]


def test_the_study_is_kept_with_the_run_and_reads_back_equal(spec, tmp_path):
    paths = create_run(spec, tmp_path / "here")
    assert loads((paths.root / "spec.json").read_text()) == spec
    assert load_spec(paths.root / "spec.yaml") == spec
    assert open_run(tmp_path / "here") == paths
    assert all(folder.is_dir() for folder in (paths.prepared, paths.checkpoints, paths.students, paths.logs))


def test_a_directory_with_something_in_it_is_not_taken(spec, tmp_path):
    (tmp_path / "thesis.txt").write_text("irreplaceable")
    with pytest.raises(StoreError, match="not empty; name another --run-dir, or resume the run in it"):
        create_run(spec, tmp_path)


def test_a_directory_that_cannot_be_made_is_told_in_one_line(spec, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="the run directory cannot be made: not a directory"):
        create_run(spec, tmp_path / "file" / "run")


def test_what_is_no_run_directory_is_not_opened(tmp_path):
    with pytest.raises(StoreError, match="not a run directory"):
        open_run(tmp_path)


def test_a_summary_reads_back_and_carries_its_schema(tmp_path):
    paths = RunPaths(tmp_path)
    write_summary(paths, blank(name="own"))
    assert read_summary(paths) == json.loads(json.dumps(blank(name="own")))
    assert read_summary(paths)["schema"] == 1


def test_a_whole_summary_of_a_kdsearch_that_knew_less_is_told_in_one_line(tmp_path):
    older = blank()
    del older["references"]
    write_summary(RunPaths(tmp_path), older)
    with pytest.raises(
        StoreError, match=r"summary.json: damaged \(references: field required\); to write it again: kd"
    ):
        read_summary(RunPaths(tmp_path))


def test_a_missing_damaged_or_newer_summary_is_told_in_one_line(tmp_path):
    paths = RunPaths(tmp_path)
    with pytest.raises(StoreError, match=r"summary\.json: not there yet"):
        read_summary(paths)
    (tmp_path / "summary.json").write_text('{"schema": 1, "st')
    with pytest.raises(StoreError, match=r"summary\.json: cannot be read: Unterminated string"):
        read_summary(paths)
    (tmp_path / "summary.json").write_text(json.dumps({"schema": 2}))
    with pytest.raises(StoreError, match=r"summary\.json: needs schema 1; another version"):
        read_summary(paths)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", r"spec\.json: holds no study \(name: field required\); launch the spec\.yaml beside it anew"),
        ("{", r"spec\.json: holds no study \(invalid json"),
        ("\udcff", r"spec\.json: cannot be read"),
    ],
)
def test_a_damaged_study_of_a_run_is_one_line(spec, tmp_path, content, said):
    paths = create_run(spec, tmp_path / "run")
    assert read_spec(paths) == spec
    (paths.root / "spec.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(StoreError, match=said):
        read_spec(paths)


def test_a_second_driver_is_refused_and_told_who_has_the_run(tmp_path):
    paths = RunPaths(tmp_path)
    told = rf"in use by process {os.getpid()} on .*; wait for it, or stop it"
    with RunLock(paths), pytest.raises(StoreError, match=told):
        RunLock(paths).__enter__()
    with RunLock(paths):
        pass


_DRIVER = """
import sys, time
from pathlib import Path
from kdsearch.records import RunPaths
from kdsearch.rundir.store import RunLock
with RunLock(RunPaths(Path(sys.argv[1]))):
    print("locked", flush=True)
    time.sleep(60)
"""


@pytest.mark.timeout(30)
def test_the_lock_of_a_driver_that_was_killed_is_free(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _DRIVER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as driver:
        assert driver.stdout.readline() == "locked\n"
        with pytest.raises(StoreError, match=f"in use by process {driver.pid} "):
            RunLock(RunPaths(tmp_path)).__enter__()
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    time.sleep(0.05)
    with RunLock(RunPaths(tmp_path)):
        pass
