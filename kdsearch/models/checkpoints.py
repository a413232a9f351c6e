"""Loading weights from a local file into a net, strictly and safely."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from kdsearch.errors import SpecError


def load_weights(net: nn.Module, path: Path) -> None:
    """Fills the net from a .safetensors file or a .pt file that holds tensors only; every name and shape must fit.

    Raises:
        SpecError: the file cannot be read, or it is of another net; the message counts and names what differs.
    """
    given = read_weights(path)
    own = net.state_dict()
    wrong = [
        f"{name} is {tuple(given[name].shape)}, the net has {tuple(own[name].shape)}"
        for name in own
        if name in given and given[name].shape != own[name].shape
    ]
    missing = [name for name in own if name not in given and not name.endswith("num_batches_tracked")]
    unknown = [name for name in given if name not in own]
    faults = [
        f"{len(names)} {what} ({names[0]}{', ..' if len(names) > 1 else ''})"
        for what, names in (("tensors missing", missing), ("tensors too many", unknown), ("shapes differ", wrong))
        if names
    ]
    if faults:
        raise SpecError(f"{path}: the weights do not fit the net: {'; '.join(faults)}")
    net.load_state_dict(dict(given), strict=False)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors or .pt file by name; a state dict under ``state_dict`` or ``model`` is found.

    Raises:
        SpecError: there is no such file, or it holds something else.
    """
    if not path.is_file():
        raise SpecError(f"{path}: no such weights file; give a .safetensors file, or a .pt file with tensors only")
    try:
        loaded: Any = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except (SafetensorError, RuntimeError, pickle.UnpicklingError, EOFError, OSError, ValueError) as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise SpecError(f"{path}: cannot be read as weights: {line}") from error
    for key in ("state_dict", "model"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise SpecError(f"{path}: holds no plain mapping of names to tensors")
    return {str(name).removeprefix("module."): value for name, value in loaded.items()}
