"""Weights on disk: safetensors, written atomically, read without executing anything."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kdsearch.errors import StoreError
from kdsearch.files import save_bytes

if TYPE_CHECKING:
    from torch import Tensor


def save_weights(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes the tensors, on the CPU and contiguous, under their names.

    Raises:
        StoreError: the file cannot be written.
    """
    save_bytes(path, pack_weights(tensors))


def pack_weights(tensors: Mapping[str, Tensor]) -> bytes:
    """The tensors, on the CPU and contiguous, under their names, as the bytes of a safetensors file."""
    from safetensors.torch import save

    return save({name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()})


def load_weights(path: Path) -> dict[str, Tensor]:
    """The tensors that ``save_weights`` wrote.

    Raises:
        StoreError: the file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise StoreError(
            f"{path}: cannot be read as weights ({str(error).splitlines()[0]}); delete it and resume"
        ) from None


def hash_weights(tensors: Mapping[str, Tensor]) -> str:
    """The SHA-256, in hexadecimal, of the tensors' names, types, shapes and values, in the order of the names."""
    import torch

    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
