"""Plug-ins by name: the one public class in the file of that name."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import ModuleType

from kdsearch.errors import SpecError, did_you_mean


def available(package: str) -> tuple[str, ...]:
    """The names of the plug-ins in a package such as ``kdsearch.strategies``; files named base* are shared."""
    folder = importlib.import_module(package)
    names = (module.name for module in pkgutil.iter_modules(folder.__path__))
    return tuple(sorted(name for name in names if not name.startswith(("base", "_"))))


def find(package: str, name: str) -> type:
    """The class of the plug-in ``name``: the one public class in its file that has ``Options``.

    Raises:
        SpecError: no such plug-in, the message lists the known ones; or its file holds no class that extends the
            package's base class, or not exactly one, or one whose ``Options`` do not extend those of the base class.
    """
    known = available(package)
    if name not in known:
        kind = package.rsplit(".", 1)[-1]
        raise SpecError(f"unknown {kind} '{name}'; known: {', '.join(known)}{did_you_mean(name, known)}")
    module = importlib.import_module(f"{package}.{name}")
    found = [kind for kind in _own_classes(module) if hasattr(kind, "Options")]
    if len(found) != 1:
        raise SpecError(f"{module.__name__} must define exactly one public class with Options (found {len(found)})")
    _check_base(module, found[0], find_base(package))
    return found[0]


def find_base(package: str) -> type:
    """What the plug-ins of a package extend: the one class with ``Options`` in its ``base.py``."""
    module = importlib.import_module(f"{package}.base")
    (base,) = (kind for kind in _own_classes(module) if hasattr(kind, "Options"))
    return base


def _own_classes(module: ModuleType) -> list[type]:
    """The public classes that a module defines itself."""
    members = (kind for _, kind in inspect.getmembers(module, inspect.isclass))
    return [kind for kind in members if kind.__module__ == module.__name__ and not kind.__name__.startswith("_")]


def _check_base(module: ModuleType, kind: type, base: type) -> None:
    for own, extended in ((kind, base), (kind.Options, base.Options)):  # type: ignore[attr-defined]
        if not (isinstance(own, type) and issubclass(own, extended)):
            said = f"{own.__qualname__} must extend {extended.__qualname__}" if isinstance(own, type) else f"{own!r}"
            raise SpecError(f"{module.__name__}: {said} of {extended.__module__}, as every plug-in there does")
