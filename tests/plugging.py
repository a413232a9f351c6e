"""New files in the packages of plug-ins, as somebody drops them there, for the length of a test."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def plugged(folder: Path, **files: tuple[str, str]) -> Iterator[None]:
    """Adds plug-ins: name to (package such as ``strategies``, the file's text); ``folder`` holds the files."""
    paths = []
    for name, (package, text) in files.items():
        place = folder / package
        place.mkdir(exist_ok=True)
        (place / f"{name}.py").write_text(text, encoding="utf-8")
        path = importlib.import_module(f"kdsearch.{package}").__path__
        path.append(str(place))
        paths.append((path, str(place)))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        for path, place in paths:
            path.remove(place)
        for name, (package, _) in files.items():
            sys.modules.pop(f"kdsearch.{package}.{name}", None)
            importlib.import_module(f"kdsearch.{package}").__dict__.pop(name, None)
