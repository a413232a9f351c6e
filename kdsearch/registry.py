"""Plug-ins by name: the one public class in the file of that name."""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil

from kdsearch.errors import SpecError


def available(package: str) -> tuple[str, ...]:
    """The names of the plug-ins in a package such as ``kdsearch.strategies``; files named base* are shared."""
    folder = importlib.import_module(package)
    names = (module.name for module in pkgutil.iter_modules(folder.__path__))
    return tuple(sorted(name for name in names if not name.startswith(("base", "_"))))


def find(package: str, name: str) -> type:
    """The class of the plug-in ``name``: the one in its file that extends the package's base class.

    Raises:
        SpecError: no such plug-in; the message lists the known ones.
    """
    known = available(package)
    if name not in known:
        kind = package.rsplit(".", 1)[-1]
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise SpecError(f"unknown {kind} '{name}'; known: {', '.join(known)}{hint}")
    module = importlib.import_module(f"{package}.{name}")
    found = [
        kind
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__ == module.__name__ and hasattr(kind, "Options") and not kind.__name__.startswith("_")
    ]
    if len(found) != 1:
        raise ValueError(f"{module.__name__} must define exactly one public class with Options, found {len(found)}")
    return found[0]
