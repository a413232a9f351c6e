from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from kdsearch import commands
from kdsearch.cli.grammar import make_parser
from kdsearch.cli.stopping import Terminated
from kdsearch.commands import run

ROOT = Path(__file__).parent.parent
PROMISED = (
    "launch",
    "resume",
    "status",
    "list",
    "report",
    "export",
    "validate",
    "teach",
    "init",
    "bench",
    "doctor",
    "dashboard",
    "trials",
    "rm",
    "predict",
    "compare",
    "completion",
)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def call(*words: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, ROOT / "cli.py", *words], capture_output=True, text=True, **options)


def test_help_names_every_promised_command_in_under_half_a_second():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = call("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0
    for name in PROMISED:
        assert f"\n    {name} " in done.stdout
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


@pytest.mark.parametrize("name", PROMISED)
def test_every_command_has_a_function_and_help_of_its_own(name, capsys):
    with pytest.raises(SystemExit) as end:
        make_parser().parse_args([name, "--help"])
    assert end.value.code == 0
    assert "--json" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "kdsearch: the following arguments are required: COMMAND"),
        (["launch"], "kdsearch launch: the following arguments are required: STUDY (see kdsearch launch --help)"),
        (["bench", "stp"], "kdsearch bench: argument SUITE: invalid choice: 'stp'; did you mean 'step'?"),
        (
            ["lunch", "x"],
            "kdsearch: argument COMMAND: invalid choice: 'lunch'; did you mean 'launch'?",
        ),
        (["xyz"], "kdsearch: argument COMMAND: invalid choice: 'xyz'; choose from launch, resume, "),
        (["launch", "x", "--runs-dir=y"], "kdsearch launch: unknown option --runs-dir; did you mean '--run-dir'? (see"),
        (["export", "x", "--too", "y"], "kdsearch export: unknown option --too; did you mean '--to'?"),
        (["--versoin"], "kdsearch: unknown option --versoin; did you mean '--version'?"),
        (["doctor", "-q"], "kdsearch doctor: unknown option -q (see"),
        (["--json", "list"], "kdsearch list: --json stands before the command; give it behind (see"),
        (["status", "x", "y"], "kdsearch status: more than it takes: y (see"),
        (["dashboard", "x", "--port", "y"], "kdsearch dashboard: argument --port: invalid int value: 'y'"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(words, line, capsys):
    with pytest.raises(SystemExit) as end:
        run(words)
    said = capsys.readouterr()
    assert end.value.code == 2
    assert said.err.startswith(line)
    assert len(said.err.splitlines()) == 1
    assert said.out == ""


def test_version_is_the_packages(capsys):
    with pytest.raises(SystemExit):
        run(["--version"])
    assert capsys.readouterr().out == f"kdsearch {metadata.version('kdsearch')}\n"


@pytest.mark.medium
@pytest.mark.timeout(60)
def test_a_checkout_that_is_not_installed_knows_its_version():
    code = (
        "from importlib import metadata; found = metadata.version\n"
        "def version(name):\n"
        "    if name == 'kdsearch': raise metadata.PackageNotFoundError(name)\n"
        "    return found(name)\n"
        "metadata.version = version\n"
        "from kdsearch.study.summary import versions; print(versions()['kdsearch'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{metadata.version('kdsearch')}\n"


def test_what_a_user_did_wrong_is_a_line_and_its_code(capsys):
    assert run(["validate", "nosuch.yaml"]) == 2
    assert capsys.readouterr().err.startswith("nosuch.yaml: no such file, nor a shipped study (")


@pytest.mark.parametrize("words", [["validate", "nosuch.yaml"], ["status", "nosuch"], ["launch", "nosuch.yaml"]])
def test_an_error_as_json_is_one_object_beside_the_line(words, capsys):
    assert run([*words, "--json"]) == 2
    said = capsys.readouterr()
    assert json.loads(said.out)["error"] == said.err.rstrip("\n")


def test_a_bug_is_a_traceback_and_exit_1():
    code = "import kdsearch.cli.studies as s; s.launch = lambda given: 1 / 0; import kdsearch.commands as c; "
    done = subprocess.run([sys.executable, "-c", f"{code}c.main(['launch', 'x'])"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


@pytest.mark.parametrize(
    ("stop", "code", "line"),
    [
        (KeyboardInterrupt(), 130, "stopped by Ctrl-C\n"),
        (Terminated("runs/a"), 143, "stopped by SIGTERM; go on with: kdsearch resume runs/a\n"),
    ],
)
def test_a_signal_has_its_code_and_one_line(stop, code, line, capsys, monkeypatch):
    def stopped(given: object) -> int:
        raise stop

    monkeypatch.setattr("kdsearch.cli.listing.list_all", stopped)
    assert run(["list"]) == code
    assert capsys.readouterr().err == line


def test_a_reader_that_leaves_early_is_no_traceback():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, ROOT / "cli.py", "list"], stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.medium
@pytest.mark.timeout(60)
def test_importing_the_package_is_light_and_its_names_are_there():
    code = (
        "import sys, kdsearch; print(sorted({'pydantic', 'yaml', 'numpy', 'torch', 'rich'} & set(sys.modules)));"
        "missing = [name for name in kdsearch.__all__ if not callable(getattr(kdsearch, name))]; print(missing)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n[]\n"


def test_an_unknown_name_of_the_package_says_so():
    import kdsearch

    with pytest.raises(AttributeError, match="module 'kdsearch' has no attribute 'lunch'"):
        _ = kdsearch.lunch


def test_nothing_but_the_checkouts_script_imports_commands():
    importing = [
        path
        for path in (ROOT / "kdsearch").rglob("*.py")
        if "kdsearch.commands" in path.read_text(encoding="utf-8") and path != Path(commands.__file__)
    ]
    assert [path.name for path in importing] == ["__init__.py"]
    assert importing[0].parent.name == "cli"  # its docstring


def test_json_is_one_object_on_standard_output(capsys):
    assert run(["list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["runs"] == []
    assert "quickstart.yaml" in [study["study"] for study in found["studies"]]
