"""Loading weights from a local file into a net, strictly and safely."""

from __future__ import annotations

import logging
import pickle
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from kdsearch.errors import SpecError

log = logging.getLogger(__name__)

UNREADABLE = (
    SafetensorError,
    pickle.UnpicklingError,
    struct.error,
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    AssertionError,
)
"""What the readers raise on bytes that are no weights: an unpickler takes any of them for orders."""


def load_weights(net: nn.Module, path: Path) -> None:
    """Fills the net from a .safetensors file or a .pt file that holds tensors only; every name and shape must fit.

    The classifier of a checkpoint for another number of classes is left out, with a warning; the net keeps its own.

    Raises:
        SpecError: the file cannot be read, or it is of another net; the message counts and names what differs.
    """
    fill_net(net, read_weights(path), str(path))


def fill_net(net: nn.Module, given: Mapping[str, Tensor], source: str) -> None:
    """Fills the net from named tensors as ``load_weights`` does; ``source`` is what messages call them.

    Raises:
        SpecError: they are of another net; the message counts and names what differs.
    """
    own = net.state_dict()
    if head := other_head(net, given):
        log.warning("%s: is for another number of classes; %s stay untrained", source, " and ".join(head))
        given = {name: value for name, value in given.items() if name not in head}
        own = {name: value for name, value in own.items() if name not in head}
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
        raise SpecError(f"{source}: the weights do not fit the net: {'; '.join(faults)}; name the net that they are of")
    net.load_state_dict(dict(given), strict=False)


def other_head(net: nn.Module, given: Mapping[str, Tensor]) -> tuple[str, ...]:
    """The names of the classifier's tensors where a checkpoint has them for another number of classes; else none."""
    own, names = net.state_dict(), head_names(net)
    if not all(name in given and given[name].shape[1:] == own[name].shape[1:] for name in names):
        return ()
    return names if any(given[name].shape != own[name].shape for name in names) else ()


def head_names(net: nn.Module) -> tuple[str, ...]:
    """The names of the classifier's tensors: of the last linear layer or convolution."""
    classifiers = [name for name, module in net.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    return tuple(name for name in net.state_dict() if classifiers and name.rpartition(".")[0] == classifiers[-1])


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors or .pt file by name; a state dict under ``state_dict`` or ``model`` is found.

    Raises:
        SpecError: there is no such file, or it holds something else.
    """
    if not path.is_file():
        raise SpecError(f"{path}: no such weights file; give a .safetensors file, or a .pt file with tensors only")
    try:
        loaded: Any = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except UNREADABLE as error:
        whole = "it is damaged, or no .safetensors file"
        if path.suffix != ".safetensors":
            whole = "it is damaged, or holds more than tensors; save net.state_dict() alone, with torch.save"
        raise SpecError(f"{path}: cannot be read as weights: {whole}") from error
    for key in ("state_dict", "model"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise SpecError(f"{path}: holds no plain mapping of names to tensors; save net.state_dict()")
    return {str(name).removeprefix("module."): value for name, value in loaded.items()}
