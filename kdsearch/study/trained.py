"""Nets that a study's end has trained, as they lie in the run directory: a record and the weights of each."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdsearch.errors import StoreError
from kdsearch.files import hash_file, read_sealed, save_bytes, save_sealed
from kdsearch.records import RunPaths, TrainingResult
from kdsearch.weights import load_weights

if TYPE_CHECKING:
    from torch import nn

    from kdsearch.candidates.space import Candidate
    from kdsearch.study.planning import Study

_log = logging.getLogger(__name__)


def checkpoint_path(paths: RunPaths, name: str) -> Path:
    """Where the checkpoint of a training under way lies."""
    return trained_folder(paths) / f"{name}.pt"


def is_trained(paths: RunPaths, name: str) -> bool:
    """Whether the training of that name is finished and kept; a warning where what is kept is damaged."""
    if not _record(paths, name).exists() or not _weights(paths, name).exists():
        return False
    try:
        _check(paths, name)
    except StoreError as damage:
        _log.warning("%s; it is trained again", damage)
        return False
    return True


def keep_result(paths: RunPaths, result: TrainingResult) -> None:
    """Writes what came of a training, and removes its checkpoint; called by the driver alone.

    Raises:
        StoreError: it cannot be written.
    """
    save_bytes(_weights(paths, result.name), result.weights)
    history = [dict(epoch) for epoch in result.history]
    record = {"metrics": dict(result.metrics), "history": history, "seed": result.seed}
    save_sealed(_record(paths, result.name), record | {"sha256": hashlib.sha256(result.weights).hexdigest()})
    for left in trained_folder(paths).glob(f"{result.name}.pt*"):  # the checkpoint and its backup
        left.unlink()


def read_record(study: Study, name: str) -> dict[str, Any]:
    """Metrics on the validation part, history and seed of a trained net."""
    return read_sealed(_record(study.ctx.paths, name))


def trained_net(study: Study, candidate: Candidate, name: str) -> nn.Module:
    """The compact net with its trained weights, in evaluation mode."""
    _check(study.ctx.paths, name)
    net = study.ctx.widths.build(candidate).to(study.ctx.device)
    net.load_state_dict(load_weights(_weights(study.ctx.paths, name)))
    return net.eval()


def check_trained(paths: RunPaths) -> None:
    """Compares all nets that a run has kept with what was written.

    Raises:
        StoreError: one is damaged.
    """
    for record in sorted(trained_folder(paths).glob("*.json")):
        _check(paths, record.stem)


def _check(paths: RunPaths, name: str) -> None:
    """The hash is of the file as it was written, so that a disk that loses a byte is noticed."""
    weights = _weights(paths, name)
    if not weights.is_file() or hash_file(weights) != read_sealed(_record(paths, name)).get("sha256"):
        raise StoreError(f"{weights}: damaged (it is not what was written); delete it and resume")


def trained_folder(paths: RunPaths) -> Path:
    """Where the trained nets of a study's end lie."""
    return paths.checkpoints / "finish"


def _record(paths: RunPaths, name: str) -> Path:
    return trained_folder(paths) / f"{name}.json"


def _weights(paths: RunPaths, name: str) -> Path:
    return trained_folder(paths) / f"{name}.safetensors"
