from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kdsearch.cli.grammar import make_parser
from kdsearch.commands import run
from kdsearch.errors import KdsearchError
from kdsearch.quoting import say_command
from kdsearch.records import RunPaths
from kdsearch.report.html import read_summary
from kdsearch.rundir import store
from kdsearch.rundir.journal import check_journal
from kdsearch.spec.study_spec import load_spec
from kdsearch.spec.teacher_card import read_card
from kdsearch.study.summary import describe_commands

NAMES = (
    "plain",
    "two words",
    "it's",
    'a "quoted" one',
    "-x",
    "--to",
    "$HOME",
    "`id`",
    "a;b",
    "a&&b",
    "*",
    "~",
    "#1",
    "back\\slash",
    "größe-模型",
    "!!",
    "a\tb",
)


def parse_pasted(said: str) -> object:
    """What the parser reads of the command that ends the text, once a shell has split it."""
    pasted = re.search(r"kdsearch (?:resume|export|launch|dashboard|teach) .*", said, re.DOTALL)
    assert pasted, said
    script = f"printf '%s\\0' {pasted.group().removeprefix('kdsearch ')}"
    shell = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, cwd="/")
    return make_parser().parse_args(shell.stdout.split("\0")[:-1])


@pytest.fixture(params=NAMES)
def folder(request, tmp_path, monkeypatch) -> Path:
    """The run directory of a study that was stopped before its first trial, relative to the current directory."""
    monkeypatch.chdir(tmp_path)
    store.create_run(load_spec("quickstart"), Path(request.param))
    return Path(request.param)


def test_a_command_means_the_same_words_after_a_shell_has_split_it(folder):
    assert Path(parse_pasted(say_command("resume", folder)).run) == folder
    exported = parse_pasted(say_command("export", folder, "--to", Path("-x y")))
    assert (Path(exported.run), exported.to) == (folder, Path("-x y"))


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(KdsearchError) as error:
        act()
    return str(error.value)


def test_what_a_run_says_to_type_works_when_pasted(folder, capsys, monkeypatch):
    here = folder.absolute()
    paths = RunPaths(here)
    said = [read_summary(here)["commands"]["resume"]]
    assert run(["status", f"./{folder}"]) == 0
    said.append(capsys.readouterr().out.splitlines()[-1])
    (here / "summary.json").write_text("{")
    (here / "study.journal").write_text("{\n{\n")
    said += [refused(lambda: store.read_summary(paths)), refused(lambda: check_journal(here / "study.journal"))]
    assert [Path(parse_pasted(line).run) for line in said] == [here] * len(said)
    commands = describe_commands(load_spec("quickstart"), here)
    assert {Path(parse_pasted(commands[name]).run) for name in ("resume", "export", "dashboard")} == {here}
    assert Path(parse_pasted(commands["reproduce"]).study) == here / "spec.yaml"


def test_the_line_of_a_stop_works_when_pasted(folder, capsys, monkeypatch):
    def stopped(given: object) -> int:
        raise KeyboardInterrupt(folder)

    monkeypatch.setattr("kdsearch.cli.listing.list_all", stopped)
    assert run(["list"]) == 130
    assert Path(parse_pasted(capsys.readouterr().err).run) == folder


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("~")])
def test_the_way_from_weights_to_a_card_works_when_pasted(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    weights = Path(f"{name}.pt")
    weights.write_bytes(b"")
    said = parse_pasted(refused(lambda: read_card(weights)))
    assert (said.weights, said.like, said.on) == (weights, "NET", "STUDY")
