"""A run's student as a module, and paths given as text."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

import kdsearch
from kdsearch.candidates.space import Candidate
from kdsearch.errors import SpecError, StoreError
from kdsearch.exporters.base_manifest import read_manifest
from kdsearch.models.lenet import lenet5
from tests.tiny import tiny_spec

pytestmark = [pytest.mark.medium, pytest.mark.timeout(120), pytest.mark.usefixtures("one_thread")]
SMALL = (
    "student={net: given, trained: true, mean: 0.2, std: 0.4}",
    "search={name: random}",
    "strategy={name: metapruning, epochs: 1, batch_size: 50, check_genes: 0}",
    "finish={name: scratch, epochs: 1, batch_size: 50, controls: {full: false}}",
    "budget={trials: 2}",
    "export=[{name: torchscript, lite: false}]",
)


def given():
    torch.manual_seed(0)
    return lenet5(10, 1, 1.0)


@pytest.fixture(scope="module")
def run(tmp_path_factory, one_thread) -> Path:
    run_dir = tmp_path_factory.mktemp("loading") / "run"
    kdsearch.run_study(tiny_spec(*SMALL), str(run_dir), net=given())  # a path as text
    return run_dir


@pytest.mark.parametrize("pixels", [False, True])
def test_the_loaded_student_computes_what_the_exported_file_does(run, pixels):
    net = kdsearch.load_student(str(run), net=given(), pixels=pixels)
    image_BCHW = torch.rand(8, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    about = json.loads((run / "summary.json").read_text())["task"]["input"]
    assert about == {"shape": [1, 28, 28], "mean": [0.2], "std": [0.4]}
    assert read_manifest(run / "students" / "winner")["input"]["mean"] == [0.2]
    expected = torch.jit.load(run / "students" / "winner" / "model.pt")(image_BCHW)
    with torch.no_grad():
        found = net(image_BCHW if pixels else (image_BCHW - about["mean"][0]) / about["std"][0])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert not net.training


def test_any_trained_net_of_the_run_can_be_loaded(run):
    summary = json.loads((run / "summary.json").read_text())
    row = next(row for row in summary["students"] if row["id"] == "uniform")
    net = kdsearch.load_student(run, "uniform", net=given())
    assert sum(p.numel() for p in net.parameters()) == row["costs"]["parameters"]
    assert Candidate.of(row["candidate"]).values == row["widths"]


def test_what_cannot_be_loaded_is_said_in_a_line(run, tmp_path):
    with pytest.raises(SpecError, match=r"passed from Python; pass it again as net="):
        kdsearch.load_student(run)
    with pytest.raises(SpecError, match="unknown student 'winer'; did you mean 'winner'"):
        kdsearch.load_student(run, "winer", net=given())
    with pytest.raises(StoreError, match="nowhere"):
        kdsearch.load_student(str(tmp_path / "nowhere"))
    copied = shutil.copytree(run, tmp_path / "copied")
    shutil.rmtree(copied / "students")
    shutil.rmtree(copied / "checkpoints")
    with pytest.raises(SpecError, match="the weights of winner are not there any more"):
        kdsearch.load_student(copied, net=given())


def test_paths_may_be_text_wherever_python_takes_one(run, tmp_path, monkeypatch):
    monkeypatch.chdir(run.parent)
    assert kdsearch.resume_study("run", net=given())["state"] == "done"
    assert kdsearch.write_html("run") == Path("run/report.html")
    planned = kdsearch.plan(tiny_spec(*SMALL), str(tmp_path), net=given())
    assert planned.ctx.paths.prepared == tmp_path / "prepared"


def test_a_dry_run_takes_a_module(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    forecast = kdsearch.dry_run(tiny_spec(*SMALL), net=given())
    assert forecast["full"]["parameters"] == sum(p.numel() for p in given().parameters())
    with pytest.raises(SpecError, match="given stands for a module"):
        kdsearch.dry_run(tiny_spec(*SMALL))


def test_the_summary_says_how_the_winner_fares_class_by_class(run):
    rows = {row["id"]: row for row in json.loads((run / "summary.json").read_text())["students"]}
    details = rows["winner"]["details"]
    right = sum(details["confusion"][label][label] for label in range(10))
    seed = str(rows["winner"]["lineage"]["exported_seed"])
    assert right / sum(details["per_class"]["images"]) == pytest.approx(rows["winner"]["lineage"]["seeds"][seed])
    assert rows["uniform"]["details"] == {}
