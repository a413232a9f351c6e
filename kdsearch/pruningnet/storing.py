"""A trained PruningNet on disk: what kind of generator it is, and the values that it generates weights from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kdsearch.errors import StoreError
from kdsearch.files import read_json, save_json
from kdsearch.pruningnet.generators import Generator
from kdsearch.pruningnet.making import make_generator
from kdsearch.weights import load_weights, save_weights

if TYPE_CHECKING:
    from torch import nn

    from kdsearch.widths.space import WidthSpace

_FORM, _VALUES = "pruningnet.json", "pruningnet.safetensors"


def save_generator(folder: Path, generator: Generator, name: str, *, hidden: int | None, rank: int) -> None:
    """Writes a generator that was made by this ``name`` and of these sizes; the values last."""
    save_json(folder / _FORM, {"generator": name, "hidden": hidden, "rank": rank})
    save_weights(folder / _VALUES, generator.values())


def load_generator(folder: Path, net: nn.Module, widths: WidthSpace) -> Generator:
    """The generator that was saved; it can generate, and cannot be trained further.

    Raises:
        StoreError: none was saved there, or a file is damaged.
    """
    if not (folder / _VALUES).exists():
        raise StoreError(f"{folder / _VALUES} is missing: the PruningNet has not been trained in this run; resume it")
    form = read_json(folder / _FORM)
    generator = make_generator(form["generator"], net, widths, hidden=form["hidden"], rank=form["rank"])
    generator.load(load_weights(folder / _VALUES), momenta=False)
    return generator
