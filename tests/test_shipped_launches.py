"""Every shipped study runs from its file to its students, shortened to two trials on a few images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kdsearch.commands import run
from kdsearch.exporters.base_manifest import read_manifest
from kdsearch.spec.sources import shipped_studies
from kdsearch.spec.study_spec import load_spec
from kdsearch.study.run import run_study

pytestmark = [pytest.mark.medium, pytest.mark.timeout(120)]
SHORT = (
    "budget.trials=2",
    "strategy.epochs=1",
    "strategy.batch_size=48",
    "finish.epochs=1",
    "finish.batch_size=48",
    "finish.seeds=1",
    "finish.finalists=2",
    "finish.finalist_epochs=1",
    "finish.controls.random=0",
)
PRUNINGNET = ("strategy.pretrain_epochs=1", "strategy.check_genes=2")
TAUGHT = "teacher={card: lenet5_mnist5k, mode: cached, views: 2}"
DATAFREE = tuple(f"{part}.{value}" for part in ("strategy", "finish") for value in ("rounds=2", "student_steps=2"))
LESSONS = {
    "kd.yaml": (TAUGHT, "pruner={name: nop}"),
    "cckd.yaml": (TAUGHT,),
    "cckd_weights.yaml": (TAUGHT, "pruner={name: nop}"),
    "metapruning_cckd.yaml": (TAUGHT, *PRUNINGNET),
    "dafl.yaml": DATAFREE,
    "metapruning_datafree.yaml": (TAUGHT, *PRUNINGNET),
    "dafl_search.yaml": DATAFREE,
}
ON_PAPER = {
    "metapruning_paper.yaml": (),
    "metapruning_imagenet.yaml": pytest.mark.slow,
    "dafl_paper.yaml": pytest.mark.slow,
}


def write_npz(folder: Path) -> str:
    random = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 200), ("test", 64)):
        arrays[f"x_{part}"] = random.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
        arrays[f"y_{part}"] = np.arange(count) % 10
    np.savez(folder / "images.npz", **arrays)
    return f"task.npz={folder / 'images.npz'}"


def write_folder(folder: Path) -> str:
    random = np.random.default_rng(0)
    for part, count in (("train", 40), ("val", 32)):
        for name in ("cat", "dog"):
            home = folder / "images" / part / name
            home.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(random.integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(home / f"{number}.png")
    return f"task.folder={folder / 'images'}"


def data_for(name: str, folder: Path) -> list[str]:
    if name == "metapruning_cifar10.yaml":
        return [write_npz(folder), "task.train_images=null", "executor={name: serial}"]
    if name == "metapruning_folder.yaml":
        return [write_folder(folder), "task.image_size=32"]
    if name == "metapruning_datafree.yaml":
        return ["task.synthesis={steps: 12, batch_size: 64, bank: 400, probe: 64, test: 64}"]
    return ["task.train_images=200"]


@pytest.mark.parametrize("name", sorted(shipped_studies().keys() - ON_PAPER.keys()))
def test_it_runs_to_its_students(name, tmp_path, monkeypatch):
    monkeypatch.setenv("KDSEARCH_CACHE", str(tmp_path / "cache"))
    spec = load_spec(name, (*SHORT, *LESSONS.get(name, PRUNINGNET), *data_for(name, tmp_path)))
    summary = run_study(spec, tmp_path / "run")
    assert summary["state"] == "done"
    assert summary["trials"]["done"] == 2
    winners = [student for student in summary["students"] if student["role"] == "winner"]
    assert len(winners) == len(summary["budgets"]) == max(1, len(spec.limits.macs))
    roles = {student["role"] for student in summary["students"]}
    controls = spec.finish.controls
    asked = {"full": controls.full, "scratch": controls.scratch}
    assert roles == {"winner", "uniform"} | {role for role, wanted in asked.items() if wanted}
    assert (summary["teacher"] is not None) == (spec.teacher is not None)
    for winner, bounds in zip(winners, summary["budgets"], strict=True):
        assert all(winner["costs"][cost] <= high for cost, (_, high) in bounds.items())
        assert winner["files"].keys() == {"torchscript", "torchscript_lite", "weights"}
        manifest = read_manifest(tmp_path / "run/students" / winner["id"])
        exported = torch.jit.load(tmp_path / "run" / winner["files"]["torchscript"])
        largest = float(exported(torch.rand(8, *manifest["input"]["shape"][1:])).abs().max())
        assert max(winner["parity"].values()) <= 1e-4 * max(1.0, largest)  # an epoch on noise may leave large logits
        assert manifest["widths"] == winner["widths"]
    assert (tmp_path / "run/report.html").exists()


@pytest.mark.parametrize("name", [pytest.param(name, marks=marks) for name, marks in ON_PAPER.items()])
def test_it_is_forecast(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    few = (word for section in ("strategy", "finish") for word in ("--set", f"{section}.batch_size=8"))
    assert run(["launch", name, "--dry-run", "--json", *few]) == 0
    forecast = json.loads(capsys.readouterr().out)
    expected = ("lenet5", 1) if name == "dafl_paper.yaml" else ("mobilenetv2_metapruning", 1000)
    assert (forecast["net"], forecast["evaluations"]) == expected
    assert forecast["hours"]["total"] > 1
    assert forecast["full"]["macs"] > forecast["uniform"][0]["macs"] > forecast["smallest"]["macs"] > 0
    assert list(tmp_path.iterdir()) == []
