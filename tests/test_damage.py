"""Runs whose files hold valid JSON of another shape: every command says it in a line, or makes the file again."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import logging
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kdsearch.commands import run
from kdsearch.errors import KdsearchError, StoreError
from kdsearch.records import RunPaths
from kdsearch.report.html import render
from kdsearch.rundir.ledger import read_outcomes
from kdsearch.rundir.store import read_summary
from kdsearch.spec.study_spec import load_spec
from kdsearch.study.loading import load_student
from kdsearch.study.run import check_run, run_study
from tests.cards import BARS_STUDY, write_images
from tests.tiny import untimed

pytestmark = [pytest.mark.medium, pytest.mark.timeout(120), pytest.mark.usefixtures("one_thread")]
STUDY = BARS_STUDY + "export: [{{name: torchscript, lite: false}}]\n"
WRONG = {"number": "5", "null": "null", "list": "[1]", "text": '"x"', "nothing": "{}", "empty": "", "deep": "[" * 10**5}
LOST = object()
ENDED = (0, 1, 2)

# Which commands read a file of an ended run and so must refuse it; each says so in one line that names the file.
READERS = {
    "summary.json": {"status", "report", "dashboard", "load", "export"},
    "spec.json": {"status", "report", "dashboard", "load", "export"},
    "identity.json": {"status", "dashboard", "load", "export"},
    "study.journal": {"status", "report", "dashboard"},
    "prepared/prepared.json": set(),
    "prepared/hashes.json": set(),
    "seconds.json": {"status"},
    "students/winner/manifest.json": set(),  # status tells it beside the files that it lists
    "checkpoints/finish/*.json": {"export"},
}
HARMLESS = {("seconds.json", "nothing")}  # as of a run that has not come so far
QUICK = ("list", "status", "report", "dashboard", "load")


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


def called(*words: str) -> tuple[int, str, str]:
    """Exit code, what is said on standard error, by handlers of the log too, and on standard output."""
    said, out = io.StringIO(), io.StringIO()
    handler = logging.StreamHandler(said)
    logging.getLogger("kdsearch").addHandler(handler)
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(out):
            code = run(words)
    finally:
        logging.getLogger("kdsearch").removeHandler(handler)
    return code, said.getvalue(), out.getvalue()


def loaded(run_dir: Path) -> tuple[int, str, str]:
    try:
        load_student(run_dir)
    except KdsearchError as error:
        return error.exit_code, f"{error}\n", ""
    return 0, "", ""


def commands(run_dir: Path) -> dict[str, Callable[[], tuple[int, str, str]]]:
    """Every command that reads a run; the dashboard ends by its port, once it has read what it shows."""
    there = str(run_dir)
    return {
        "list": lambda: called("list", "--json"),
        "status": lambda: called("status", there, "--json"),
        "report": lambda: called("report", there),
        "dashboard": lambda: called("dashboard", there, "--port", "70000"),
        "load": lambda: loaded(run_dir),
        "export": lambda: called("export", there, "--to", str(run_dir / "out")),
        "resume": lambda: called("resume", there, "--quiet"),
    }


def refuses(outcome: tuple[int, str, str], path: Path) -> bool:
    """Whether a command refused the file, in one line that names it; what it does not refuse it must not speak of."""
    code, said, _ = outcome
    assert code in ENDED, said
    assert "Traceback" not in said
    if code == 0 or "70000" in said:
        assert str(path) not in said
        return False
    assert len(said.splitlines()) == 1, said
    assert str(path) in said
    return True


def damaged(runs: Path, which: str, pattern: str) -> tuple[Path, Path]:
    """A copy of the run under runs/, and the file of it."""
    run_dir = Path("runs", which).absolute()
    shutil.rmtree(run_dir, ignore_errors=True)
    shutil.copytree(runs / which, run_dir)
    return run_dir, next(iter(sorted(run_dir.glob(pattern))))


@pytest.mark.parametrize("name", READERS)
def test_what_reads_a_file_of_another_shape_refuses_it_in_one_line_and_nothing_else_minds(runs, name):
    run_dir, path = damaged(runs, "done", name)
    for kind, text in WRONG.items():
        path.write_text(text)
        if (name, kind) in HARMLESS:
            continue
        calls = commands(run_dir)
        refused = {each for each in QUICK if refuses(calls[each](), path)}
        assert refused == READERS[name] & {*QUICK}, kind


def test_status_and_list_tell_what_they_do_not_refuse(runs):
    run_dir, path = damaged(runs, "done", "students/winner/manifest.json")
    for text in WRONG.values():
        path.write_text(text)
        assert str(path) in json.loads(called("status", str(run_dir), "--json")[2])["files"]["winner"]
    run_dir, path = damaged(runs, "done", "spec.json")
    for text in WRONG.values():
        path.write_text(text)
        (row,) = json.loads(called("list", "--json")[2])["runs"]
        assert row["state"] == "damaged"


CASES = [("done", name) for name in READERS]
CASES += [("half", name) for name in READERS if name not in ("summary.json", "students/winner/manifest.json")]
CASES += [("half", "failure.json")]
SOON = {(file % len(WRONG), file) for file in range(len(READERS) + 2)}  # the other combinations take minutes


@pytest.mark.parametrize(
    ("which", "name", "kind"),
    [
        pytest.param(
            which, name, kind, id=f"{which}-{name}-{kind}", marks=() if (at, file) in SOON else pytest.mark.slow
        )
        for file, (which, name) in enumerate(CASES)
        for at, kind in enumerate(WRONG)
    ],
)
def test_resuming_makes_a_run_whole_again_with_a_warning_or_refuses_in_one_line(runs, which, name, kind):
    run_dir, path = damaged(runs, which, name)
    path.write_text(WRONG[kind])
    code, said, _ = commands(run_dir)["resume"]()
    assert "Traceback" not in said
    if code:
        assert len(said.splitlines()) == 1
        assert str(path) in said
        assert name in ("spec.json", "identity.json")  # a run without them is no run any more
        return
    summary = read_summary(RunPaths(run_dir))
    check_run(RunPaths(run_dir), summary)
    whole = read_summary(RunPaths(runs / "done"))
    for part in ("finalists", "task", "budgets", "state"):
        assert untimed(summary[part]) == untimed(whole[part]), part
    for part in ("candidate", "metrics", "history"):  # a file's size hangs on how many digits its latency has
        assert [untimed(row[part]) for row in summary["students"]] == [untimed(row[part]) for row in whole["students"]]
    if which == "done" and name not in ("seconds.json",):
        assert str(path.name) in said or "again" in said


@pytest.mark.parametrize("kind", ["number", "deep"])
@pytest.mark.parametrize("name", [name for name, readers in READERS.items() if "export" in readers])
def test_export_refuses_what_it_reads(runs, name, kind):
    run_dir, path = damaged(runs, "done", name)
    path.write_text(WRONG[kind])
    assert refuses(commands(run_dir)["export"](), path)
    assert not (run_dir / "out").exists()


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every key below a JSON value, of a list its first item."""
    inner = value.items() if isinstance(value, dict) else [*enumerate(value)][:1] if isinstance(value, list) else ()
    for key, below in inner:
        yield (*at, key)
        yield from places(below, (*at, key))


def changed(content: Any, place: tuple[Any, ...], harm: Any) -> Any:
    """A copy in which what stood at the place is lost or is something else."""
    fresh = json.loads(json.dumps(content))
    above = functools.reduce(lambda inner, key: inner[key], place[:-1], fresh)
    if harm is LOST:
        del above[place[-1]]
    else:
        above[place[-1]] = harm
    return fresh


HARMS = (LOST, 7, "x", [1], None, {"a": 1})


def test_no_nested_key_of_the_summary_is_lost_or_of_another_type_unnoticed_or_the_report_does_without(runs):
    """With its seal every change is noticed; without it, as an older version wrote it, the shape is."""
    run_dir, path = damaged(runs, "done", "summary.json")
    sealed = json.loads(path.read_text())
    plain = {key: value for key, value in sealed.items() if key != "seal"}
    outcomes, taken = read_outcomes(RunPaths(run_dir)), 0
    for at, place in enumerate(places(plain)):
        harm = HARMS[at % len(HARMS)]
        path.write_text(json.dumps(changed(sealed, place, harm)))
        with pytest.raises(StoreError, match=r"summary\.json: (damaged|needs schema 1)") as caught:
            read_summary(RunPaths(run_dir))
        assert len(str(caught.value).splitlines()) == 1
        path.write_text(json.dumps(changed(plain, place, harm)))
        try:
            summary = read_summary(RunPaths(run_dir))
        except StoreError as error:
            assert str(path) in str(error)  # noqa: PT017
            continue
        taken += 1
        assert "<html" in render(summary, outcomes), place
    assert taken < 0.7 * at


NESTED = ("spec.json", "identity.json", "prepared/hashes.json", "checkpoints/finish/*.json", "seconds.json")


@pytest.mark.parametrize("name", NESTED)
def test_a_nested_key_that_is_lost_or_of_another_type_is_one_line(runs, name):
    run_dir, path = damaged(runs, "done", name)
    content = json.loads(path.read_text())
    calls = commands(run_dir)
    kept = [place for place in places(content) if place != ("seal",)]
    for at, place in enumerate(kept[:: max(1, len(kept) // 24)]):
        path.write_text(json.dumps(changed(content, place, HARMS[at % len(HARMS)])))
        refused = {each for each in ("list", "status", "report", "load") if refuses(calls[each](), path)}
        # status reads seconds as they are, and report needs two keys of the study alone
        assert refused >= READERS[name] & {"status", "load"} - ({"status"} if name == "seconds.json" else set()), place


def test_every_lost_key_of_the_summary_is_told_by_its_name(runs):
    run_dir, path = damaged(runs, "done", "summary.json")
    content = json.loads(path.read_text())
    content.pop("seal")
    for key in content:
        path.write_text(json.dumps({name: value for name, value in content.items() if name != key}))
        said = r"needs schema 1" if key == "schema" else rf"damaged \({key}: field required\)"
        with pytest.raises(StoreError, match=rf"summary\.json: {said}"):
            read_summary(RunPaths(run_dir))


def test_a_line_twice_in_the_journal_is_told_by_its_number(runs):
    run_dir, path = damaged(runs, "done", "study.journal")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines, lines[-1]]))
    last = len(lines)
    with pytest.raises(
        StoreError, match=rf"journal: the ledger cannot be read: line {last + 1} repeats line {last}; delete line"
    ):
        read_outcomes(RunPaths(run_dir))


@pytest.mark.parametrize("which", ["done", "half"])
@pytest.mark.parametrize("name", ["study.journal", "lock"])
def test_a_folder_in_place_of_a_file_is_one_line(runs, which, name):
    run_dir, path = damaged(runs, which, name)
    path.unlink()
    path.mkdir()
    calls = commands(run_dir)
    code, said, _ = calls["resume"]()
    assert code == (which == "half" or name == "study.journal")
    assert all(str(path) in line or "nothing left to do" in line for line in said.splitlines())
    assert "Traceback" not in said
    assert refuses(calls["status"](), path) == (name == "study.journal")
    assert refuses(calls["report"](), path) == (name == "study.journal")


def mounted(place: Path, *options: str) -> None:
    """Mounts a file system in memory, or skips where that is not allowed."""
    if shutil.which("mount") is None or subprocess.run(["mount", *options, str(place)], check=False).returncode:
        pytest.skip("no file system can be mounted here (needs root)")


@pytest.fixture(params=["read-only", "full"])
def bad_disk(request, runs, tmp_path) -> Iterator[Path]:
    """Both runs on a disk that takes no byte more."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted(place, "-t", "tmpfs", "-o", "size=4m", "tmpfs")
    try:
        for which in ("done", "half"):
            shutil.copytree(runs / which, place / which)
        if request.param == "read-only":
            mounted(place, "-o", "remount,ro")
        else:
            with (place / "others").open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(bytes(4096))
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_takes_no_byte_more_is_read_and_what_writes_says_so_in_a_line(bad_disk):
    done, half = commands(bad_disk / "done"), commands(bad_disk / "half")
    assert [done[name]()[0] for name in ("status", "load", "resume")] == [0, 0, 0]
    assert half["status"]()[0] == 0
    *_, last = done["dashboard"]()[1].splitlines()
    assert "70000" in last or "no space left" in last.lower()  # one that can only be read is shown
    for call in (done["report"], done["export"], half["report"], half["resume"]):
        code, said, _ = call()
        assert code == 1
        assert len(said.splitlines()) == 1
        assert any(word in said.lower() for word in ("read-only file system", "no space left on device"))
    assert called("export", str(bad_disk / "done"), "--to", "elsewhere")[0] == 0
    code, said, _ = called("launch", str(bad_disk / "done/spec.yaml"), "--run-dir", str(bad_disk / "new"), "--quiet")
    assert (code, len(said.splitlines())) == (1, 1)
