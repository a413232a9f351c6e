"""Compression passes at a study's end: what is tested, counted, exported and kept."""

from __future__ import annotations

import json

import pytest
import torch

from kdsearch.errors import KdsearchError
from kdsearch.study.loading import load_student
from kdsearch.study.run import run_study
from kdsearch.weights import load_weights
from tests.tiny import tiny_spec


@pytest.mark.medium
@pytest.mark.timeout(120)
def test_a_pass_changes_what_is_tested_counted_and_exported_and_keeps_the_trainable_weights(tmp_path, one_thread):
    run = tmp_path / "run"
    sets = ("compress=[{name: low_rank, energy: 0.7}]", "export=[{name: torchscript, lite: false}]", "budget.trials=6")
    summary = run_study(tiny_spec(*sets, "finish.finalists=1"), run)
    winner = next(row for row in summary["students"] if row["role"] == "winner")
    full = next(row for row in summary["students"] if row["role"] == "full")
    exported = torch.jit.load(run / winner["files"]["torchscript"])
    held = sum(value.numel() for value in exported.parameters()) or winner["costs"]["parameters"]
    manifest = json.loads((run / "students/winner/manifest.json").read_text())
    assert manifest["lineage"]["compress"] == [{"name": "low_rank", "energy": 0.7}]
    assert manifest["costs"]["macs"] == winner["costs"]["macs"]
    kept = load_weights(run / winner["files"]["weights"])
    trained = sum(value.numel() for name, value in kept.items() if name.endswith(("weight", "bias")))
    assert held == winner["costs"]["parameters"] < trained
    assert full["costs"] == summary["full"]["costs"]
    with pytest.raises(KdsearchError, match="went through compress: low_rank"):
        load_student(run)
