from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest
import torch

import kdsearch
from kdsearch.candidates.space import Candidate
from kdsearch.cli.exporting import write_files
from kdsearch.files import note_hashes
from kdsearch.records import RunPaths
from kdsearch.report.html import write_html
from kdsearch.rundir.store import read_summary
from kdsearch.spec.study_spec import load_spec
from kdsearch.study.finishing import training_name
from kdsearch.study.keeping import delete_spent, list_spent
from kdsearch.study.run import resume_study, run_study
from tests.tiny import tiny_spec

pytestmark = pytest.mark.usefixtures("one_thread")
SMALL = (
    "task.train_images=100",
    "budget.trials=2",
    "finish.seeds=2",
    "finish.controls={uniform: true, full: false}",
    "strategy.epochs=1",
    "strategy.check_genes=0",
    "finish.finalists=1",
)


def row(gene: dict, seed: int) -> dict:
    return {"candidate": gene, "lineage": {"start": "inherited", "exported_seed": seed}}


@pytest.fixture
def ended(tmp_path) -> RunPaths:
    """What a run leaves, by hand: two seeds of one student, a finalist, checkpoints and what was prepared."""
    paths = RunPaths(tmp_path)
    first, second = (training_name(Candidate.of({"conv": 8}), "inherited", seed) for seed in (7, 8))
    nets = paths.checkpoints / "finish"
    nets.mkdir(parents=True)
    paths.prepared.mkdir()
    for name in (first, second, "other-1epochs-seed1000"):
        (nets / f"{name}.json").write_text("{}")
        (nets / f"{name}.safetensors").write_text("weights")
    for place in (paths.checkpoints / "pretrained.pt", paths.checkpoints / "pretrained.pt.before", nets / "late.pt"):
        place.write_text("checkpoint")
    for name in ("prepared.json", "net.safetensors"):
        (paths.prepared / name).write_text("{}")
    note_hashes(paths.prepared)
    return paths


@pytest.mark.parametrize(("keep", "left"), [("all", 12), ("nets", 9), ("students", 2)])
def test_what_stays_is_what_the_study_says(ended, keep, left, caplog):
    summary = {"students": [row({"conv": 8}, 7)]}
    with caplog.at_level(logging.INFO):
        delete_spent(ended, summary, keep)
    kept = [path for folder in (ended.checkpoints, ended.prepared) for path in folder.rglob("*") if path.is_file()]
    assert len(kept) == left
    assert not [path for path in kept if keep != "all" and path.read_text() == "checkpoint"]
    assert keep != "students" or {path.stem.rpartition("-")[2] for path in kept} == {"seed7"}
    assert ("deleted" in caplog.text) == (keep != "all")
    assert list_spent(ended, summary, keep) == []


def test_a_kill_among_deletions_leaves_nothing_that_looks_damaged(ended):
    spent = [path.name for path in list_spent(ended, {"students": []}, "students")]
    assert spent.index("hashes.json") < min(spent.index("prepared.json"), spent.index("net.safetensors"))
    for name in spent:
        if name.endswith(".safetensors") and name != "net.safetensors":
            assert spent.index(name.replace(".safetensors", ".json")) < spent.index(name)


def test_a_run_that_cannot_be_written_is_left_as_it_is_with_a_warning(ended, caplog):
    (ended.root / "lock").mkdir()
    delete_spent(ended, {"students": []}, "nets")
    assert "what it needs no more cannot be deleted (keep: nets): " in caplog.text
    assert (ended.checkpoints / "pretrained.pt").exists()


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A whole small run that keeps its students only."""
    folder = tmp_path_factory.mktemp("kept") / "run"
    run_study(tiny_spec(*SMALL, "keep=students"), folder)
    return folder


@pytest.mark.medium
@pytest.mark.timeout(120)
def test_a_run_that_keeps_its_students_is_resumed_reported_loaded_and_exported(run, tmp_path, caplog):
    assert not [path for path in run.rglob("*") if path.suffix == ".pt" or "pruningnet" in path.name]
    before = {path: path.read_bytes() for path in run.rglob("*.safetensors")}
    rows = read_summary(RunPaths(run))["students"]
    # one of each gene's two trainings, and the winner's copy
    assert len(before) == len({str(row["candidate"]) for row in rows}) + 1
    assert resume_study(run)["state"] == "done"
    assert "there is nothing left to do" in caplog.text
    assert "written again" not in caplog.text
    assert write_html(run).stat().st_size > 1000
    nets = {about["id"]: kdsearch.load_student(run, about["id"]) for about in rows}
    uniform = next(about for about in rows if about["id"] == "uniform")  # which was not exported by the run
    assert write_files(run, uniform, "torchscript", tmp_path / "phone").parity
    given, image = read_summary(RunPaths(run))["task"]["input"], torch.rand(1, 1, 28, 28)
    with torch.no_grad():
        expected = nets["uniform"]((image - given["mean"][0]) / given["std"][0])
        found = torch.jit.load(str(tmp_path / "phone/model.pt"))(image)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert {path: path.read_bytes() for path in run.rglob("*.safetensors")} == before


@pytest.mark.medium
@pytest.mark.timeout(120)
def test_a_run_killed_before_it_cleaned_up_does_so_when_it_is_resumed(run, tmp_path):
    copied = shutil.copytree(run, tmp_path / "run")
    (copied / "checkpoints/pruningnet.pt").write_bytes(b"spent")
    resume_study(copied)
    assert not (copied / "checkpoints/pruningnet.pt").exists()


def test_by_default_checkpoints_go_and_nets_stay():
    assert load_spec("quickstart").keep == "nets"
