from __future__ import annotations

import json
import logging

import pytest

from kdsearch.cli.listing import describe_run
from kdsearch.cli.runs import describe_progress
from kdsearch.errors import DataError
from kdsearch.records import RunPaths
from kdsearch.report.html import read_summary, write_html
from kdsearch.rundir.runlog import read_failure, recording
from kdsearch.rundir.store import create_run, write_summary
from kdsearch.spec.study_spec import load_spec
from tests.report.conftest import blank


@pytest.fixture
def paths(tmp_path) -> RunPaths:
    return create_run(load_spec("quickstart"), tmp_path / "run")


def fail(paths: RunPaths, error: BaseException) -> None:
    def run() -> None:
        with recording(paths):
            raise error

    with pytest.raises(type(error)):
        run()


def test_what_is_logged_while_a_run_works_is_kept_with_it(paths, caplog):
    with recording(paths):
        logging.getLogger("kdsearch.study.run").warning("the disk is slow")
    logging.getLogger("kdsearch.study.run").warning("too late")
    lines = (paths.logs / "run.log").read_text().splitlines()
    assert [line.split(" ", 2)[2] for line in lines] == [
        "INFO kdsearch.rundir.runlog: driver started",
        "WARNING kdsearch.study.run: the disk is slow",
        "INFO kdsearch.rundir.runlog: driver done",
    ]
    assert "driver" not in caplog.text


def test_a_failure_is_kept_with_its_traceback_until_the_run_goes_on(paths):
    fail(paths, DataError("images/a.png: cannot be decoded\nand more"))
    assert read_failure(paths) == "images/a.png: cannot be decoded"
    assert "Traceback (most recent call last)" in (paths.logs / "run.log").read_text()
    with recording(paths):
        assert read_failure(paths) == ""
    assert read_failure(paths) == ""


def test_a_bug_is_a_failure_and_a_stop_is_none(paths):
    fail(paths, ZeroDivisionError("division by zero"))
    assert read_failure(paths) == "ZeroDivisionError: division by zero"
    fail(paths, KeyboardInterrupt())
    assert read_failure(paths) == ""


def test_status_list_and_report_say_that_a_run_failed_and_why(paths):
    fail(paths, DataError("images/a.png: cannot be decoded"))
    found = describe_progress(paths.root)
    assert (found["state"], found["reason"]) == ("failed", "images/a.png: cannot be decoded")
    assert found["go on with"] == f"kdsearch resume {paths.root}"
    assert describe_run(paths.root)["state"] == "failed"
    summary = read_summary(paths.root)
    assert (summary["state"], summary["stopped"]) == ("failed", "images/a.png: cannot be decoded")
    assert "what was finished is shown: images/a.png: cannot be decoded" in write_html(paths.root).read_text()
    write_summary(paths, blank(name="quickstart"))
    assert describe_run(paths.root)["state"] == "done"


def test_the_record_is_json_that_a_program_can_read(paths):
    fail(paths, DataError("no images"))
    assert json.loads((paths.root / "failure.json").read_text()) == {"state": "failed", "reason": "no images"}
