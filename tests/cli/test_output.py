"""Results go to standard output, remarks to standard error."""

from __future__ import annotations

import json
from pathlib import Path

from kdsearch.cli.output import remark, say, say_json


def test_a_line_of_the_result_and_a_remark_part_ways(capsys):
    say("97.3 %")
    remark("the disk is slow")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("97.3 %\n", "the disk is slow\n")


def test_a_result_is_one_json_object_whatever_lies_in_it(capsys):
    say_json({"path": Path("runs/a"), "rows": [1, None]})
    said = capsys.readouterr()
    assert json.loads(said.out) == {"path": "runs/a", "rows": [1, None]}
    assert said.err == ""


def test_what_steers_a_terminal_is_spelled_out(capsys):
    say("a\x1b[31mred\x07 b\nc \u00e9\u4e2d")
    remark("\x9b2J\u202e")
    said = capsys.readouterr()
    assert said.out == "a\\x1b[31mred\\x07 b\nc \u00e9\u4e2d\n"
    assert said.err == "\\x9b2J\\u202e\n"
