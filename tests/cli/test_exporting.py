from __future__ import annotations

from pathlib import Path

import pytest

from kdsearch.cli.exporting import choose_student
from kdsearch.commands import run
from kdsearch.errors import SpecError
from kdsearch.rundir.store import create_run, write_summary
from kdsearch.spec.study_spec import load_spec
from tests.report.conftest import WINNER, blank, make_student

pytestmark = pytest.mark.usefixtures("elsewhere")


def test_the_student_to_export_is_the_winner_unless_named():
    rows = [{"id": "uniform", "role": "uniform"}, {"id": "winner-1", "role": "winner"}]
    assert choose_student(rows, None, Path("r"))["id"] == "winner-1"
    assert choose_student(rows, "uniform", Path("r"))["id"] == "uniform"
    with pytest.raises(SpecError, match=r"--student wxyz: unknown student 'wxyz'; known: uniform, winner-1"):
        choose_student(rows, "wxyz", Path("r"))
    with pytest.raises(SpecError, match="r: no student has been trained yet; kdsearch resume r"):
        choose_student([], None, Path("r"))


def test_export_refuses_an_unknown_format_and_a_run_without_students(begun, capsys):
    assert run(["export", "quickstart", "--to", "x", "--format", "torchscrip"]) == 2
    assert capsys.readouterr().err == (
        "--format torchscrip: unknown format 'torchscrip'; did you mean 'torchscript'?\n"
    )
    write_summary(begun, blank(name="quickstart"))
    assert run(["export", "quickstart", "--to", "x"]) == 2
    assert "no student has been trained yet" in capsys.readouterr().err


def test_export_of_an_unfinished_run_says_how_to_go_on(begun, capsys):
    assert run(["export", "quickstart", "--to", "x"]) == 2
    assert capsys.readouterr().err == (f"{begun.root}: no student has been trained yet; kdsearch resume {begun.root}\n")


def test_a_net_passed_from_python_sends_back_to_python(capsys):
    paths = create_run(load_spec("quickstart", ["student={net: given}", "name=mine"]))
    write_summary(paths, blank(name="mine", students=[make_student("winner", WINNER, accuracy=0.5, macs=9)]))
    assert run(["export", "mine", "--to", "x"]) == 2
    assert "this run's net was passed from Python; " in capsys.readouterr().err
    (paths.root / "summary.json").unlink()
    assert run(["resume", "mine"]) == 2
    assert capsys.readouterr().err == (
        f"{paths.root}: this run's net was passed from Python; use kdsearch.resume_study(run_dir, net=...)\n"
    )
