"""Checkpoints of a training: written atomically, read without executing anything, the one before kept."""

from __future__ import annotations

import io
import logging
import pickle
import warnings
from pathlib import Path
from typing import Any

import torch

from kdsearch.errors import StoreError
from kdsearch.files import save_atomically

_log = logging.getLogger(__name__)


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Writes tensors, numbers, text, lists and dicts; what was at ``path`` moves to ``path`` + .bak.

    Raises:
        StoreError: it cannot be written; the checkpoint before is still there.
    """
    # torch's own writer hides a full disk in a RuntimeError and can leave a file that looks whole
    content = io.BytesIO()
    torch.save(state, content)

    def write(fresh: Path) -> None:
        fresh.write_bytes(content.getbuffer())
        if path.exists():
            path.replace(_previous(path))

    save_atomically(path, write)


def load_checkpoint(path: Path, device: torch.device) -> dict[str, Any] | None:
    """What was saved, on the device; None if nothing was. A damaged file gives way to the one before, with a warning.

    Raises:
        StoreError: neither the checkpoint nor the one before can be read.
    """
    candidates = [file for file in (path, _previous(path)) if file.exists()]
    for file in candidates:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch warns about a damaged file; the message below says it instead
                state = torch.load(file, map_location=device, weights_only=True)
        except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
            _log.warning("%s: damaged (%s)", file, str(error).splitlines()[0] if str(error) else type(error).__name__)
            continue
        if isinstance(state, dict):
            if file != path:
                _log.warning("%s: going on from the checkpoint before it, %s", path, file.name)
            return state
        _log.warning("%s: not a checkpoint", file)
    if candidates:
        raise StoreError(
            f"{path}: the checkpoint is damaged and there is no usable one before it; delete it to start over"
        )
    return None


def remove_checkpoint(path: Path) -> None:
    """Deletes the checkpoint and the one before it, if there."""
    for file in (path, _previous(path)):
        file.unlink(missing_ok=True)


def _previous(path: Path) -> Path:
    return path.with_name(path.name + ".bak")
