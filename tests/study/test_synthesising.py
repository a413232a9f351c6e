"""A study without data, from its teacher to its students, without one image that a camera took."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kdsearch.data.stored_bank import read_bank
from kdsearch.errors import DataError, KdsearchError, SpecError, StoreError
from kdsearch.exporters.base_manifest import read_manifest
from kdsearch.progress import Progress, unwatched
from kdsearch.records import RunPaths
from kdsearch.report.html import write_html
from kdsearch.rundir.ledger import read_outcomes
from kdsearch.spec.study_spec import load_spec
from kdsearch.study.forecast import dry_run
from kdsearch.study.planning import plan
from kdsearch.study.run import resume_study, run_study
from kdsearch.study.synthesising import fill_task, generate_images, synthesis_seconds
from kdsearch.training import loop
from tests.banks import write_bank
from tests.dataless import dataless_spec
from tests.tiny import outcomes_of, weights_of
from tests.toys import bars, knowing_net, make_toy

pytestmark = [pytest.mark.timeout(120), pytest.mark.usefixtures("one_thread")]


def planned(run_dir, *sets, teacher=None):
    paths = RunPaths(run_dir)
    for folder in (paths.checkpoints, paths.prepared):
        folder.mkdir(parents=True, exist_ok=True)
    return plan(dataless_spec(*sets), paths, net=make_toy(), teacher=teacher or knowing_net())


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory) -> Path:
    """A finished run without data or real test images."""
    made = tmp_path_factory.mktemp("home") / "run"
    spec = dataless_spec("export=[{name: torchscript}]")
    run_study(spec, made, net=make_toy(), teacher=knowing_net())
    return made


def test_the_bank_holds_generated_images_their_teachers_answers_and_where_they_came_from(tmp_path):
    study = generate_images(planned(tmp_path), unwatched)
    bank = read_bank(tmp_path / "bank")
    sizes = {name: len(part.images_NCHW) for name, part in bank.parts.items()}
    assert sizes == {"train": 400, "validation": 40, "test": 32}  # a sixteenth of 20 batches of 32 each, at most 48, 32
    assert bank.classes == ("|", "-", " ")
    about, teacher = bank.provenance, study.ctx.teaching.teacher
    assert about["teacher"] == {"name": teacher.name, "sha256": teacher.sha256, "identity": teacher.identity}
    assert about["options"]["steps"] == 20
    assert (about["seed"], about["images_made"]) == (0, 640)
    assert "torch" in about["versions"]
    part = study.task.images("train")
    assert torch.equal(part.images_NCHW, bank.parts["train"].images_NCHW)
    answers_NC, _ = teacher.answer(part.images_NCHW, {})
    torch.testing.assert_close(part.targets_NC, answers_NC.softmax(1), rtol=0, atol=0.02)  # kept as float16
    assert not study.task.placeholder
    assert not list((tmp_path / "checkpoints").iterdir())
    with pytest.raises(RuntimeError, match="the test part is read once"):
        study.ctx.task.images("test")


def test_a_study_with_data_is_left_as_it_is(tmp_path):
    write_bank(tmp_path / "other")
    sets = ("teacher=null", f"task={{bank: {tmp_path}/other}}")
    study = plan(dataless_spec(*sets), RunPaths(tmp_path), net=make_toy())
    assert generate_images(study, unwatched) is study


def test_images_are_generated_once_a_run_and_read_afterwards(tmp_path):
    first = generate_images(planned(tmp_path), unwatched)
    header = (tmp_path / "bank/bank.json").stat().st_mtime_ns
    second = generate_images(planned(tmp_path), unwatched)
    assert second.task.digest == first.task.digest
    assert (tmp_path / "bank/bank.json").stat().st_mtime_ns == header


def test_a_synthesis_that_was_stopped_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    for name in ("_SAVE_SECONDS", "_WATCH_SECONDS"):
        monkeypatch.setattr(loop, name, 0.0)

    def stop(progress: Progress) -> None:
        if progress.step >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate_images(planned(tmp_path / "stopped"), stop)
    assert (tmp_path / "stopped/checkpoints/bank.pt").exists()
    stopped = generate_images(planned(tmp_path / "stopped"), unwatched)
    assert stopped.task.digest == generate_images(planned(tmp_path / "whole"), unwatched).task.digest


def test_a_damaged_bank_of_the_run_itself_is_generated_again_with_a_warning(tmp_path, caplog):
    digest = generate_images(planned(tmp_path), unwatched).task.digest
    path = tmp_path / "bank/train_images.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        again = generate_images(planned(tmp_path), unwatched)
    assert "train_images.npy: damaged (it is not what was written); its images are generated again" in caplog.text
    assert again.task.digest == digest


def test_no_image_of_the_users_is_opened_while_images_are_generated(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "_WATCH_SECONDS", 0.0)
    real = tmp_path / "real"
    real.mkdir()
    np.save(real / "image.npy", np.zeros(3))
    monkeypatch.setenv("KDSEARCH_DATA", str(real))

    def look(progress: Progress) -> None:  # as a planted reader would, in the middle of it
        if progress.step == 8:
            np.load(real / "image.npy")

    study = planned(tmp_path / "run")
    with pytest.raises(KdsearchError, match=r"learning without data: .* was about to read .*image.npy"):
        generate_images(study, look)


def test_a_run_below_real_images_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("KDSEARCH_DATA", str(tmp_path))
    with pytest.raises(SpecError, match=r"run: lies below .*, where real images are; launch into another --run-dir"):
        run_study(dataless_spec(), tmp_path / "run", net=make_toy(), teacher=knowing_net())
    assert not (tmp_path / "run").exists()


def test_a_student_that_came_trained_is_looked_at_once_there_are_images(tmp_path):
    sets = ("student={net: given, trained: true, divisor: 1, mean: 0, std: 1}",)
    study = plan(dataless_spec(*sets), RunPaths(tmp_path), net=knowing_net((1, 2, 0)), teacher=knowing_net())
    (tmp_path / "checkpoints").mkdir()
    write_bank(tmp_path / "bank")
    with pytest.raises(SpecError, match=r"^student: given is right on .* put them into the data's order"):
        generate_images(study, unwatched)


def test_too_few_images_for_a_batch_are_told_once_it_is_known(tmp_path):
    study = planned(tmp_path, "strategy.batch_size=200", "strategy.calibration_images=256")
    write_bank(tmp_path / "bank")
    with pytest.raises(SpecError, match=r"strategy.batch_size is 200; the training part has 96 images; lower it"):
        generate_images(study, unwatched)


@pytest.mark.medium
def test_a_teacher_alone_gives_an_exported_student(run_dir):
    summary = read_summary(run_dir)
    assert summary["state"] == "done"
    winner = next(row for row in summary["students"] if row["role"] == "winner")
    assert winner["metrics"].keys() == {"agreement", "validation_agreement"}
    assert winner["metrics"]["agreement"] > 1 / 3
    student = torch.jit.load(run_dir / winner["files"]["torchscript"])
    share = float((student(bars(60, 5).images_NCHW.float() / 255).argmax(1) == bars(60, 5).labels_N).float().mean())
    assert 0 <= share <= 1
    manifest = read_manifest(run_dir / "students/winner")
    assert manifest["metrics"].keys() == {"agreement", "validation_agreement"}


def read_summary(folder):
    from kdsearch.report.html import read_summary as read

    return read(folder)


@pytest.mark.medium
def test_nothing_that_is_said_of_it_calls_agreement_accuracy_or_generated_images_test_images(run_dir, capsys):
    from kdsearch.report.console import print_summary
    from kdsearch.report.note import to_markdown

    summary = read_summary(run_dir)
    print_summary(summary)
    page = write_html(run_dir).read_text()
    said = (
        capsys.readouterr().out,
        to_markdown(summary),
        page[page.index("<body") :],
        (run_dir / "summary.json").read_text(),
        (run_dir / "students/winner/manifest.json").read_text(),
        (run_dir / "logs/run.log").read_text() if (run_dir / "logs/run.log").exists() else "",
    )
    for text in said:
        assert "accuracy" not in text.lower()
        assert "test image" not in text.lower()
    assert "agreement with the teacher" in page
    assert "generated images" in page
    assert (
        "no camera took these images: 400 for training, 40 for validation and 32 for the end were generated from"
        in page
    )
    assert {outcome.metric.name for outcome in read_outcomes(RunPaths(run_dir))} == {"agreement"}


def test_some_of_the_images_are_kept_as_a_picture_also_of_another_runs(tmp_path):
    generate_images(planned(tmp_path / "own"), unwatched)
    sets = ("teacher=null", f"task={{bank: {tmp_path}/own}}")
    generate_images(plan(dataless_spec(*sets), RunPaths(tmp_path / "other"), net=make_toy()), unwatched)
    drawn = [tmp_path / run / "pictures/bank/0001.png" for run in ("own", "other")]
    assert drawn[0].read_bytes() == drawn[1].read_bytes()
    with Image.open(drawn[0]) as picture:
        assert picture.width > 3 * 56  # a column for each of three classes


@pytest.mark.medium
def test_the_report_shows_some_of_the_images(run_dir):
    assert "data:image/png;base64," in write_html(run_dir).read_text()


@pytest.mark.medium
def test_a_student_is_taught_by_correlation_congruence_on_a_bank(run_dir, tmp_path):
    sets = (
        f"task={{bank: {run_dir}}}",
        "teacher={net: given, mean: 0, std: 1}",
        "strategy={name: cckd, epochs: 1, batch_size: 24, terms: [{ce: 0.1}, {kd: 1}, {cc: 1}]}",
        "strategy.sampler={name: class_balanced, k: 2}",
        "finish={name: cckd, epochs: 1, batch_size: 24, controls: {full: false}}",
        "budget.trials=1",
    )
    summary = run_study(dataless_spec(*sets), tmp_path / "run", net=make_toy(), teacher=knowing_net())
    assert summary["state"] == "done"
    assert summary["references"][0]["metrics"]["agreement"] == 1.0  # the teacher whose answers the labels are


@pytest.mark.medium
def test_a_run_that_is_stopped_anywhere_and_resumed_ends_in_the_same_bits(run_dir, tmp_path):
    def stop(progress: Progress) -> None:
        if progress.phase == "search" and progress.step == 2:
            raise KeyboardInterrupt

    spec = dataless_spec("export=[{name: torchscript}]")
    nets = {"teacher": knowing_net()}
    with pytest.raises(KeyboardInterrupt):
        run_study(spec, tmp_path / "run", stop, net=make_toy(), **nets)
    resume_study(tmp_path / "run", net=make_toy(), **nets)
    assert outcomes_of(tmp_path / "run") == outcomes_of(run_dir)
    assert weights_of(tmp_path / "run") == weights_of(run_dir)


@pytest.mark.medium
def test_another_teacher_at_resume_is_refused(run_dir, tmp_path):
    (tmp_path / "run").mkdir()
    for path in run_dir.iterdir():
        if path.name not in ("summary.json", "report.html"):
            (tmp_path / "run" / path.name).symlink_to(path)
    with pytest.raises(StoreError, match="was launched with another teacher"):
        resume_study(tmp_path / "run", net=make_toy(), teacher=knowing_net((1, 0, 2)))


@pytest.mark.medium
def test_the_bank_of_a_run_is_data_for_any_study(run_dir, tmp_path):
    sets = ("teacher=null", f"task={{bank: {run_dir}}}", "strategy={name: scratch, epochs: 1, batch_size: 24}")
    summary = run_study(dataless_spec(*sets, "budget.trials=1"), tmp_path / "run", net=make_toy())
    assert summary["task"]["data"].startswith("images generated from")
    assert summary["students"][0]["metrics"].keys() == {"agreement", "validation_agreement"}


@pytest.mark.medium
def test_real_test_images_are_opened_at_the_end_and_give_an_accuracy(tmp_path):
    real, seen = tmp_path / "real.npz", []
    phases = set()

    def watch(progress: Progress) -> None:
        phases.add(progress.phase)
        if progress.phase == "export" or real.exists():
            return
        if progress.phase == "finish" and progress.step == progress.total > 0:
            made = bars(60, 7)
            np.savez(real, x_test=made.images_NCHW[:, 0].numpy(), y_test=made.labels_N.numpy())
            seen.append(progress)

    sets = (f"task.test={{npz: {real}}}", "budget.trials=1", "finish.controls={uniform: false, full: false}")
    summary = run_study(dataless_spec(*sets), tmp_path / "run", watch, net=make_toy(), teacher=knowing_net())
    assert seen  # it was not there before the trainings of the end were through
    (winner,) = summary["students"]
    assert winner["metrics"].keys() == {"accuracy", "validation_agreement"}
    assert summary["references"][0]["metrics"]["accuracy"] == 1.0  # the teacher knows bars
    assert {outcome.metric.name for outcome in read_outcomes(RunPaths(tmp_path / "run"))} == {"agreement"}
    page = (tmp_path / "run/report.html").read_text()
    assert "test accuracy" in page
    assert "agreement with the teacher (generated images)" in page


def test_a_bank_that_is_not_there_is_told_when_the_study_is_planned(tmp_path):
    spec = load_spec("quickstart", (f"task={{bank: {tmp_path}/nowhere}}",))
    with pytest.raises(DataError, match=r"task.bank: .*nowhere: no such folder"):
        plan(spec, RunPaths(tmp_path / "run"))


def test_a_filled_task_is_normalised_as_the_student_expects(tmp_path):
    bank = write_bank(tmp_path / "other")
    study = planned(tmp_path, "student={net: given, divisor: 1, mean: 0.4, std: 0.2}")
    assert fill_task(study, bank).task.mean == (0.4,)
    assert fill_task(planned(tmp_path), bank).task.mean == (0.3,)


def test_a_forecast_counts_the_steps_of_the_synthesis(tmp_path):
    study = planned(tmp_path)
    more = planned(tmp_path, "task.synthesis.steps=20000")
    assert 0 < synthesis_seconds(study, 3) < synthesis_seconds(more, 3) / 2  # 1,000 times, but for a noisy clock


def test_a_dry_run_reads_no_image_and_says_what_stands_in():
    told = dry_run(dataless_spec(), net=make_toy(), teacher=knowing_net())
    assert told["data"].startswith("images to be generated from the module that was passed: 400 for training, 48 for")
    assert told["data"].endswith("smooth noise stands in until then")
    assert told["hours"]["prepare"] > 0
