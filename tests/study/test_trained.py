"""Nets that a study's end has trained, as they are kept."""

from __future__ import annotations

import logging

import pytest
import torch

from kdsearch.errors import StoreError
from kdsearch.records import RunPaths, TrainingResult
from kdsearch.study.trained import check_trained, checkpoint_path, is_trained, keep_result, read_record, trained_net
from kdsearch.weights import pack_weights
from tests.toys import half, toy_study

pytestmark = pytest.mark.timeout(30)  # the first trace of a process takes seconds


def result(weights: bytes = b"weights", name: str = "gene-seed1") -> TrainingResult:
    return TrainingResult(
        name=name, metrics={"accuracy": 0.5}, history=({"epoch": 1, "loss": 2.0},), seed=1, weights=weights
    )


def test_a_kept_training_is_finished_and_its_checkpoints_are_gone(tmp_path):
    paths = RunPaths(tmp_path)
    checkpoint = checkpoint_path(paths, "gene-seed1")
    checkpoint.parent.mkdir(parents=True)
    for path in (checkpoint, checkpoint.with_name(f"{checkpoint.name}.bak")):
        path.write_bytes(b"half")
    assert not is_trained(paths, "gene-seed1")
    keep_result(paths, result())
    assert is_trained(paths, "gene-seed1")
    assert sorted(path.name for path in checkpoint.parent.iterdir()) == ["gene-seed1.json", "gene-seed1.safetensors"]
    check_trained(paths)


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
def test_a_changed_byte_has_it_trained_again_with_a_warning(tmp_path, caplog, suffix):
    paths = RunPaths(tmp_path)
    keep_result(paths, result())
    path = checkpoint_path(paths, "gene-seed1").with_suffix(suffix)
    content = bytearray(path.read_bytes())
    content[3] ^= 1
    path.write_bytes(bytes(content))
    with caplog.at_level(logging.WARNING):
        assert not is_trained(paths, "gene-seed1")
    assert "it is trained again" in caplog.text
    with pytest.raises(StoreError):
        check_trained(paths)


def test_the_net_and_its_record_come_back(tmp_path):
    study = toy_study(tmp_path)
    gene = half(study.ctx.widths)
    net = study.ctx.widths.build(gene)
    with torch.no_grad():
        net.classifier.bias.fill_(3)
    keep_result(study.ctx.paths, result(pack_weights(net.state_dict())))
    found = trained_net(study, gene, "gene-seed1")
    assert not found.training
    assert all(torch.equal(tensor, found.state_dict()[name]) for name, tensor in net.state_dict().items())
    record = read_record(study, "gene-seed1")
    assert (record["metrics"], record["seed"]) == ({"accuracy": 0.5}, 1)
