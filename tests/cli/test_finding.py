from __future__ import annotations

from pathlib import Path

import pytest

from kdsearch.cli.finding import find_any_run, find_run, known_runs
from kdsearch.commands import run
from kdsearch.errors import SpecError

pytestmark = pytest.mark.usefixtures("elsewhere")


def test_a_run_is_found_by_path_and_by_name(begun):
    assert find_run("runs/quickstart") == find_run("quickstart") == find_run(str(begun.root)) == begun.root
    with pytest.raises(SpecError, match=r"not a run directory, .* \(quickstart\); did you mean 'quickstart'\?"):
        find_run("quickstrt")


@pytest.mark.parametrize("command", ["status", "resume", "report", "dashboard"])
def test_a_run_that_is_nowhere_is_one_line(command, capsys):
    assert run([command, "nosuch"]) == 2
    assert capsys.readouterr().err == "nosuch: not a run directory, nor the name of a run (there is none)\n"


def test_a_teachers_directory_is_found_where_any_run_will_do():
    folder = Path("runs/teach-a")
    folder.mkdir(parents=True)
    (folder / "card.yaml").write_text("")
    assert find_any_run("teach-a") == folder.absolute()
    with pytest.raises(SpecError, match=r"teach-a: a teacher was trained there, .* see: kdsearch status teach-a"):
        find_run("teach-a")


def test_what_is_no_run_is_not_listed():
    Path("runs/bench").mkdir(parents=True)
    assert known_runs() == []
