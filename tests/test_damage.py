"""Runs whose files hold valid JSON of another shape: every command says it in a line, or makes the file again."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kdsearch.commands import run
from kdsearch.errors import KdsearchError, StoreError
from kdsearch.records import RunPaths
from kdsearch.rundir.ledger import read_outcomes
from kdsearch.rundir.store import read_summary
from kdsearch.spec.study_spec import load_spec
from kdsearch.study.loading import load_student
from kdsearch.study.run import run_study
from tests.cards import write_images

pytestmark = [pytest.mark.medium, pytest.mark.timeout(120), pytest.mark.usefixtures("one_thread")]
STUDY = """
name: tiny
task: {{npz: {data}, image_size: 28, validation_share: 0.2, test_share: 0.2}}
student: {{net: lenet5, divisor: 8}}
limits: {{macs: 60%}}
strategy: {{name: scratch, epochs: 1, batch_size: 15}}
budget: {{trials: 2}}
finish: {{name: scratch, epochs: 1, batch_size: 15, controls: {{uniform: false, full: false}}}}
export: []
"""
FINISHED = ("study.journal", "summary.json", "prepared/prepared.json", "checkpoints/finish/*.json", "seconds.json")
FINISHED += ("spec.json", "identity.json")
HALF = ("study.journal", "prepared/prepared.json", "checkpoints/finish/*.json", "seconds.json", "spec.json")
HALF += ("identity.json", "failure.json")
WRONG = {"number": "5", "null": "null", "list": "[1]", "text": '"x"', "nothing": "{}", "empty": "", "deep": "[" * 10**5}


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """A folder with a finished run, and one that failed after its first training at the end."""
    root = tmp_path_factory.mktemp("damage")
    data = write_images(root / "bars.npz")
    (root / "tiny.yaml").write_text(STUDY.format(data=data))
    run_study(load_spec(root / "tiny.yaml"), root / "done")

    def watch(progress) -> None:
        if progress.phase == "export":
            raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        run_study(load_spec(root / "tiny.yaml"), root / "half", watch)
    return root


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def called(*words: str) -> tuple[int, str]:
    """Exit code and what is said on standard error, by handlers of the log too."""
    said, out = io.StringIO(), io.StringIO()
    handler = logging.StreamHandler(said)
    logging.getLogger("kdsearch").addHandler(handler)
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(out):
            code = run(words)
    finally:
        logging.getLogger("kdsearch").removeHandler(handler)
    return code, said.getvalue()


def commands(run_dir: Path) -> Iterator[Callable[[], tuple[int, str]]]:
    """Every command on the run; the one that mends, last."""
    yield lambda: called("list")
    yield lambda: called("status", str(run_dir))
    yield lambda: called("report", str(run_dir))
    yield lambda: called("dashboard", str(run_dir), "--port", "70000")
    yield lambda: loaded(run_dir)
    yield lambda: called("export", str(run_dir), "--to", str(run_dir / "out"))
    yield lambda: called("resume", str(run_dir), "--quiet")


def loaded(run_dir: Path) -> tuple[int, str]:
    try:
        load_student(run_dir)
    except KdsearchError as error:
        return error.exit_code, f"{error}\n"
    return 0, ""


def check_told(run_dir: Path, path: Path) -> None:
    """Calls all commands; what fails says it in one line, or names the file."""
    for call in commands(run_dir):
        code, said = call()
        assert code in (0, 1, 2), said
        lines = said.splitlines()
        if code:
            assert len(lines) == 1 or str(path) in said, said
        assert "Traceback" not in said


def damage(runs: Path, which: str, pattern: str) -> tuple[Path, Path]:
    """A copy of the run under runs/, and the file of it."""
    run_dir = Path("runs", which).absolute()
    shutil.copytree(runs / which, run_dir)
    return run_dir, next(iter(sorted(run_dir.glob(pattern))))


CASES = [("done", name) for name in FINISHED] + [("half", name) for name in HALF]
DAMAGES = [
    pytest.param(
        which, name, kind, id=f"{which}-{Path(name).stem}-{kind}", marks=() if at % 7 == file % 7 else pytest.mark.slow
    )
    for file, (which, name) in enumerate(CASES)
    for at, kind in enumerate(WRONG)
]


@pytest.mark.parametrize(("which", "pattern", "kind"), DAMAGES)
def test_valid_json_of_another_shape_is_one_line_or_made_again(runs, which, pattern, kind):
    run_dir, path = damage(runs, which, pattern)
    path.write_text(WRONG[kind])
    check_told(run_dir, path)


def test_every_lost_key_of_the_summary_is_told_by_its_name(runs):
    run_dir, path = damage(runs, "done", "summary.json")
    content = json.loads(path.read_text())
    content.pop("seal")
    for key in content:
        path.write_text(json.dumps({name: value for name, value in content.items() if name != key}))
        with pytest.raises(StoreError, match=rf"summary\.json: (damaged \({key}: field required\)|needs schema 1)"):
            read_summary(RunPaths(run_dir))


def test_a_line_twice_in_the_journal_is_told_by_its_number(runs):
    run_dir, path = damage(runs, "done", "study.journal")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines, lines[-1]]))
    last = len(lines)
    with pytest.raises(
        StoreError, match=rf"journal: the ledger cannot be read: line {last + 1} repeats line {last}; delete line"
    ):
        read_outcomes(RunPaths(run_dir))


@pytest.mark.parametrize("name", ["study.journal", "lock"])
def test_a_folder_in_place_of_a_file_is_one_line(runs, name):
    run_dir, path = damage(runs, "half", name)
    path.unlink()
    path.mkdir()
    code, said = called("resume", str(run_dir), "--quiet")
    assert code == 1
    assert len(said.splitlines()) == 1
    assert str(path) in said
