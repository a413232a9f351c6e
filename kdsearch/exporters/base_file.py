"""How to run an exported file as somebody finds it; torch only inside functions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kdsearch import registry
from kdsearch.errors import ExportError

if TYPE_CHECKING:
    from torch import Tensor

    from kdsearch.exporters.base import Exporter


def load_file(path: Path, form: str) -> Callable[[Tensor], Tensor]:
    """What an application would call after loading the file, by the exporter that writes files of this format.

    Raises:
        ExportError: no exporter here knows the format, or the file cannot be loaded.
    """
    for name in registry.available("kdsearch.exporters"):
        kind: type[Exporter] = registry.find("kdsearch.exporters", name)
        exporter = kind(kind.Options())
        if form in (each.name for each in exporter.formats()):
            return exporter.load(path)
    raise ExportError(f"{path}: is of format {form}, which no exporter here knows; it was written by another version")
