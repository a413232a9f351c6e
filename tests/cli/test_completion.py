from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kdsearch.cli.completion import find_completers, list_arguments, write_script
from kdsearch.cli.grammar import make_parser
from kdsearch.commands import run

ROOT = Path(__file__).parents[2]
_ASK = """
source {script}
COMP_WORDS=({words})
COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
COMPREPLY=()
_shtab_kdsearch kdsearch "${{COMP_WORDS[COMP_CWORD]}}"
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "kdsearch.bash"
    path.write_text(write_script("bash"), encoding="utf-8")
    return path


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A folder with two runs and a photograph."""
    for name in ("digits", "digits-2"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "lock").touch()
    (tmp_path / "runs/bench").mkdir()
    (tmp_path / "photo.png").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("name", ["$(touch HACKED)", "`touch HACKED`", "a b", "'; touch HACKED; '", "-n"])
def test_the_name_of_a_run_is_never_run(here, script, name):
    (here / "runs" / name).mkdir()
    (here / "runs" / name / "lock").touch()
    ask = _ASK.format(script=script, words="kdsearch resume ''")
    asked = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True)
    assert "digits" in asked.stdout.split()
    assert not (here / "HACKED").exists()


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("kdsearch res", {"resume"}),
        ("kdsearch export --fo", {"--format", "--force"}),
        ("kdsearch export --format ''", {"torchscript"}),
        ("kdsearch bench rank", {"ranking"}),
        ("kdsearch keys stu", {"student"}),
        ("kdsearch init quick", {"quickstart.yaml"}),
        ("kdsearch teach resnet20_mn", {"resnet20_mnist5k"}),
        ("kdsearch resume dig", {"digits", "digits-2"}),
        ("kdsearch compare digits digits-", {"digits-2"}),
        ("kdsearch rm benc", set()),
        ("kdsearch predict dig", {"digits", "digits-2"}),
        ("kdsearch predict digits pho", {"photo.png"}),
        ("kdsearch launch --run-dir ru", {"runs"}),
        ("kdsearch completion ''", {"bash", "zsh", "fish"}),
    ],
)
def test_bash_completes_commands_options_runs_and_files(script, here, words, offered):
    program = _ASK.format(script=script, words=words)
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == offered
    assert done.stderr == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_that_is_here_takes_the_script(shell, tmp_path):
    script = write_script(shell)
    commands = next(
        action.choices for action in make_parser()._actions if action.dest == "==SUPPRESS==" or action.choices
    )
    assert all(name in script for name in commands)
    if shutil.which(shell):
        (tmp_path / "script").write_text(script, encoding="utf-8")
        subprocess.run([shell, "-n", str(tmp_path / "script")], check=True)


def test_every_argument_that_takes_a_word_is_completed_or_is_the_users_own():
    own = {"KEY=VALUE", "NAME=VALUE", "ID", "N", "X", "NET", None}
    known = find_completers().keys() | own
    taking = [action for action in list_arguments(make_parser()) if action.nargs != 0 and action.choices is None]
    assert {action.metavar for action in taking} <= known


def test_as_json_it_is_one_object_and_another_shell_is_refused(capsys):
    assert run(["completion", "fish", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["script"].startswith("# AUTOMATICALLY GENERATED")
    with pytest.raises(SystemExit):
        run(["completion", "csh"])
    assert "invalid choice: 'csh'; did you mean 'zsh'?" in capsys.readouterr().err


def test_no_other_command_imports_what_writes_it():
    code = (
        "import sys; from kdsearch.commands import run; run(['keys']); print('shtab' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stderr == "False\n"
