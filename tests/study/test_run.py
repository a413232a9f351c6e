"""Whole runs: killed, resumed, refused, out of time and out of disk."""

from __future__ import annotations

import logging
import os
import subprocess
from pathlib import Path

import pytest

from kdsearch.errors import InfeasibleError, SpecError, StoreError
from kdsearch.models.zoo import make_net
from kdsearch.records import RunPaths, Trial
from kdsearch.rundir.ledger import journal_path, read_outcomes
from kdsearch.rundir.store import RunLock, create_run, read_summary
from kdsearch.study.identifying import identify
from kdsearch.study.planning import plan
from kdsearch.study.run import resume_study, run_study
from tests.forked import fork
from tests.tiny import SETS, kill_in, outcomes_of, tiny_spec, untimed, weights_of

pytestmark = [pytest.mark.medium, pytest.mark.timeout(120), pytest.mark.usefixtures("one_thread")]
FEW = ("finish={name: scratch, epochs: 1, batch_size: 50, controls: {uniform: false, full: false}}",)


@pytest.fixture(scope="module")
def told():
    """The progress messages of the run that nothing interrupted."""
    return []


@pytest.fixture(scope="module")
def whole(tmp_path_factory, one_thread, told):
    """A run that nothing interrupted, and its summary."""
    run_dir = tmp_path_factory.mktemp("whole") / "run"
    return run_dir, run_study(tiny_spec(), run_dir, told.append)


def assert_same(run_dir: Path, summary, whole) -> None:
    expected_dir, expected = whole
    assert outcomes_of(run_dir) == outcomes_of(expected_dir)
    assert untimed(summary) == untimed(expected)
    assert weights_of(run_dir) == weights_of(expected_dir)


class Stop(KeyboardInterrupt):
    """What a signal does to a driver."""


def stopping(phase: str, step: int, act=None):
    def watch(progress) -> None:
        if progress.phase == phase and progress.step >= step:
            if act is None:
                raise Stop
            act()

    return watch


@pytest.mark.timeout(240)
def test_killed_in_every_phase_and_resumed_ends_in_the_same_bits(tmp_path, whole):
    sets = [word for text in SETS for word in ("--set", text)]
    kill_in("prepare", "launch", "quickstart", *sets, folder=tmp_path)
    for phase in ("search", "finish"):
        kill_in(phase, "resume", "tiny", folder=tmp_path)
    run_dir = tmp_path / "runs/tiny"
    assert not (run_dir / "summary.json").exists()
    before = outcomes_of(run_dir)
    with fork("resume", "tiny", "--quiet", folder=tmp_path) as driver:
        said = driver.communicate()[1]
    assert (driver.returncode, said) == (0, "")
    assert outcomes_of(run_dir)[: len(before)] == before
    assert_same(run_dir, read_summary(RunPaths(run_dir)), whole)


def test_a_stop_names_the_run_as_seen_from_where_one_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # a run of that name that was there before is not the one that was stopped
        with pytest.raises(Stop) as stop:
            run_study(tiny_spec(), None, stopping("plan", 0))
    assert stop.value.args == (Path("runs/tiny-2"),)
    with pytest.raises(Stop) as stop:
        resume_study(tmp_path / "runs/tiny-2", stopping("prepare", 0))
    assert stop.value.args == (Path("runs/tiny-2"),)
    with pytest.raises(Stop) as stop:
        run_study(tiny_spec(), tmp_path.parent / f"{tmp_path.name}-elsewhere", stopping("plan", 0))
    assert stop.value.args == (tmp_path.parent / f"{tmp_path.name}-elsewhere",)


def test_the_summary_has_what_is_promised(whole):
    run_dir, summary = whole
    assert summary["state"] == "done"
    assert set(summary["seconds"]) == {"prepare", "search", "finish", "export"}
    assert summary["trials"] == {"done": 10, "failed": 0, "cached": 0}
    assert [student["role"] for student in summary["students"]] == ["winner", "uniform", "full"]
    assert {(row["round"], row["epochs"]) for row in summary["finalists"]} == {(1, 1)}
    assert any(row["origin"] == "uniform widths" for row in summary["finalists"])
    winner = summary["students"][0]
    assert winner["costs"].keys() == {"macs", "parameters", "size_bytes", "latency_ms"}
    assert winner["files"].keys() == {"weights"}
    assert summary["full"]["costs"]["macs"] > summary["uniform"]["costs"]["macs"] > 0
    assert (run_dir / "report.html").exists()
    assert len({outcome[1] for outcome in outcomes_of(run_dir)}) == 10


def test_every_candidate_of_the_search_is_at_the_budget(whole):
    run_dir, summary = whole
    ((low, high),) = (bounds["macs"] for bounds in summary["budgets"])
    assert all(low <= outcome[4]["macs"] <= high for outcome in outcomes_of(run_dir))


def test_the_best_that_a_message_names_is_the_trial_that_ranks_first(whole, told):
    outcomes = sorted(read_outcomes(RunPaths(whole[0])), key=lambda outcome: outcome.number)
    said = [progress.values["best"] for progress in told if progress.phase == "search" and progress.step]
    firsts = [max(outcomes[:count], key=lambda outcome: outcome.merit) for count in range(1, len(outcomes) + 1)]
    assert said == [outcome.metrics["accuracy"] for outcome in firsts]
    highest = [
        max(outcome.metrics["accuracy"] for outcome in outcomes[:count]) for count in range(1, len(outcomes) + 1)
    ]
    assert said != highest  # likelihood and accuracy do not agree on who is first


def test_resuming_a_finished_run_does_nothing_and_says_so(whole, caplog):
    run_dir, _ = whole
    before = {path: path.stat().st_mtime_ns for path in run_dir.rglob("*")}
    with caplog.at_level(logging.WARNING):
        assert resume_study(run_dir) == read_summary(RunPaths(run_dir))
    assert f"{run_dir}: is done already; there is nothing left to do" in caplog.text
    assert {path: path.stat().st_mtime_ns for path in run_dir.rglob("*")} == before


def test_a_lost_report_is_written_again(whole):
    run_dir, _ = whole
    (run_dir / "report.html").unlink()
    resume_study(run_dir)
    assert (run_dir / "report.html").stat().st_size > 10_000


def test_a_second_driver_is_refused(tmp_path):
    spec = tiny_spec()
    paths = create_run(spec, tmp_path / "run", facts=identify(plan(spec, RunPaths(tmp_path))))
    with (
        RunLock(paths),
        pytest.raises(StoreError, match=rf"run: in use by process {os.getpid()} on .*; wait for it, or stop it"),
    ):
        resume_study(tmp_path / "run")
    assert not (tmp_path / "run/study.journal").exists()


def test_torn_and_damaged_files_are_mended_or_named(tmp_path, whole, caplog):
    run_dir = tmp_path / "run"
    with pytest.raises(Stop):
        run_study(tiny_spec(), run_dir, stopping("prepare", 6))
    checkpoint = run_dir / "checkpoints/pretrained.pt"
    checkpoint.write_bytes(b"no checkpoint")
    with pytest.raises(StoreError, match=r"pretrained.pt: the checkpoint is damaged .* delete it to start over"):
        resume_study(run_dir)
    checkpoint.unlink()
    with pytest.raises(Stop):
        resume_study(run_dir, stopping("search", 4))
    with journal_path(RunPaths(run_dir)).open("ab") as journal:
        journal.write(b'{"op_code": 4, "worker_i')
    (run_dir / "prepared/pruningnet.safetensors").write_bytes(b"torn")
    with pytest.raises(Stop):
        resume_study(run_dir, stopping("finish", 1))
    assert "line that was not written to its end" in caplog.text
    assert "pruningnet.safetensors: damaged" in caplog.text
    for record in (run_dir / "checkpoints/finish").glob("*.safetensors"):
        record.unlink()
    assert_same(run_dir, resume_study(run_dir), whole)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 16 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a tmpfs")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk_is_one_line_and_resume_goes_on(small_disk, whole):
    ballast = small_disk / "ballast"

    def fill() -> None:
        with ballast.open("ab", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                pass

    run_dir = small_disk / "run"
    for phase, step in (("prepare", 5), ("search", 3), ("finish", 2)):
        work = resume_study if run_dir.exists() else lambda folder, watch: run_study(tiny_spec(), folder, watch)
        with pytest.raises(StoreError, match="no space left on device") as caught:
            work(run_dir, stopping(phase, step, fill))
        assert "\n" not in str(caught.value)
        ballast.unlink()
    assert_same(run_dir, resume_study(run_dir), whole)


def test_a_net_of_ones_own_is_not_pretrained_again_and_resumes_with_the_same_weights_only(tmp_path):
    sets = (*FEW, "student={net: given, divisor: 1, trained: true}", "budget.trials=3")
    options = tiny_spec("student={net: resnet8, width: 0.5}").student
    net, other = (make_net(options, num_classes=10, in_channels=1, seed=seed) for seed in (0, 1))
    with pytest.raises(Stop):
        run_study(tiny_spec(*sets), tmp_path / "run", stopping("search", 1), net=net)
    with pytest.raises(StoreError, match="run: was launched with a net of other weights"):
        resume_study(tmp_path / "run", net=other)
    summary = resume_study(tmp_path / "run", net=net)
    assert summary["state"] == "done"
    assert summary["prepared"]["pretrained"] == {}
    assert not (tmp_path / "run/checkpoints/pretrained.pt").exists()


def test_worker_processes_score_as_the_driver_does(tmp_path):
    sets = (*FEW, "executor={name: process, workers: 2, threads: 1}", "budget.trials=6")
    summary = run_study(tiny_spec(*sets), tmp_path / "run")
    assert summary["trials"]["done"] == 6
    study = plan(tiny_spec(*sets), RunPaths(tmp_path / "run"))
    study.strategy.load(study.ctx)
    for number, gene, _, metrics, costs in outcomes_of(tmp_path / "run"):
        assert study.strategy.score(study.ctx, Trial(number, gene)) == metrics
        assert study.ctx.widths.costs(gene) == costs


@pytest.mark.parametrize(
    ("sets", "error", "words"),
    [
        (
            ["limits.macs=1000"],
            InfeasibleError,
            r"limits.macs is 1,000; the smallest resnet8 has [\d,]+; raise the limit",
        ),
        (["finish.batch_size=300"], SpecError, r"finish.batch_size is 300; the training part has 200 images; lower it"),
        (
            ["strategy={name: scratch, batch_size: 50}", "finish={name: metapruning}"],
            SpecError,
            "finish.name: metapruning",
        ),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(tmp_path, sets, error, words):
    with pytest.raises(error, match=words) as caught:
        run_study(tiny_spec(*sets), tmp_path / "run")
    assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []
