"""Nets that a study's end has trained, as they lie in the run directory: a record and the weights of each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdsearch.files import read_json, save_bytes, save_json
from kdsearch.records import RunPaths, TrainingResult
from kdsearch.weights import load_weights

if TYPE_CHECKING:
    from torch import nn

    from kdsearch.candidates.space import Candidate
    from kdsearch.study.planning import Study


def checkpoint_path(paths: RunPaths, name: str) -> Path:
    """Where the checkpoint of a training under way lies."""
    return _folder(paths) / f"{name}.pt"


def is_trained(paths: RunPaths, name: str) -> bool:
    """Whether the training of that name is finished and kept."""
    return _record(paths, name).exists() and _weights(paths, name).exists()


def keep_result(paths: RunPaths, result: TrainingResult) -> None:
    """Writes what came of a training, and removes its checkpoint; called by the driver alone.

    Raises:
        StoreError: it cannot be written.
    """
    save_bytes(_weights(paths, result.name), result.weights)
    history = [dict(epoch) for epoch in result.history]
    save_json(_record(paths, result.name), {"metrics": dict(result.metrics), "history": history, "seed": result.seed})
    for left in _folder(paths).glob(f"{result.name}.pt*"):  # the checkpoint, and the one before it
        left.unlink()


def read_record(study: Study, name: str) -> dict[str, Any]:
    """Metrics on the validation part, history and seed of a trained net."""
    read: dict[str, Any] = read_json(_record(study.ctx.paths, name))
    return read


def trained_net(study: Study, candidate: Candidate, name: str) -> nn.Module:
    """The compact net with its trained weights, in evaluation mode."""
    net = study.ctx.widths.build(candidate).to(study.ctx.device)
    net.load_state_dict(load_weights(_weights(study.ctx.paths, name)))
    return net.eval()


def _folder(paths: RunPaths) -> Path:
    return paths.checkpoints / "finish"


def _record(paths: RunPaths, name: str) -> Path:
    return _folder(paths) / f"{name}.json"


def _weights(paths: RunPaths, name: str) -> Path:
    return _folder(paths) / f"{name}.safetensors"
