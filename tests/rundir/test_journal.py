"""Lines of a journal that are no entries, or that are there twice."""

from __future__ import annotations

import json
import re

import pytest

from kdsearch.errors import StoreError
from kdsearch.rundir.journal import check_journal


def line(code: object, **more: object) -> str:
    return json.dumps({"op_code": code, "worker_id": "w", **more})


def written(folder, *lines: str, end: str = "\n"):
    path = folder / "journal.log"
    path.write_text("\n".join(lines) + end, encoding="utf-8")
    return path


GOOD = (line(0, study_name="a"), line(4, trial=0), line(4, trial=1), line(6, value=1), line(6, value=1))


def test_a_journal_of_entries_is_in_order_and_entries_that_make_nothing_may_repeat(tmp_path):
    check_journal(written(tmp_path, *GOOD))


def test_a_last_line_that_is_being_written_is_left_to_the_reader(tmp_path):
    check_journal(written(tmp_path, *GOOD, '{"op_co', end=""))


@pytest.mark.parametrize(
    "broken", ["", "null", "[]", "7", '{"op_code": 4}', line("4"), line(True), line(1.0), "[" * 99999]
)
def test_a_line_that_is_no_entry_is_named_with_what_to_do(tmp_path, broken):
    path = written(tmp_path, GOOD[0], broken, *GOOD[1:])
    with pytest.raises(
        StoreError, match=r"line 2 is no entry of a ledger; to go on with what is before it: kdsearch resume"
    ):
        check_journal(path)


def test_a_trial_that_is_there_twice_is_named_with_both_lines(tmp_path):
    path = written(tmp_path, *GOOD, GOOD[1])
    with pytest.raises(StoreError, match=re.escape("line 6 repeats line 2; delete line 6")):
        check_journal(path)


def test_a_journal_that_is_a_folder_is_told(tmp_path):
    with pytest.raises(StoreError, match="it must be a file that you may write"):
        check_journal(tmp_path)
