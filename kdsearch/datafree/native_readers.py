"""Functions that open files, or start interpreters, in machine code, where Python's audit hook hears nothing."""

from __future__ import annotations

import functools
import importlib
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

CheckPath = Callable[[Any, str], None]
"""Told what a reader was given as a path and the reader's name; raises where that may not be read."""
Refuse = Callable[[str], None]

# of packages that kdsearch stands on: they are imported for it, since a strategy may import them when it likes
_READERS = (
    "torch:from_file",
    "torch:UntypedStorage.from_file",
    "torch:_C.PyTorchFileReader",
    "torch:_C.import_ir_module",
    "torch:_C._load_mobile_module_from_file",
    "torch:_C._load_jit_module_from_file",
    "torchvision:io.read_file",  # and by it read_image and decode_image
    "torch:ops.image.read_file",
    "safetensors:safe_open",
)
_OTHERS = (
    "cv2:imread",
    "cv2:VideoCapture",
    "h5py:File",
    "lmdb:open",
    "onnxruntime:InferenceSession",
    "pyarrow:memory_map",
    "pyarrow:OSFile",
)
_STARTERS = (
    "_posixsubprocess:fork_exec",  # by which multiprocessing spawns
    "multiprocessing.forkserver:connect_to_new_process",
)
_SECOND = {"torch:_C.import_ir_module": 1}  # whose path is not the first argument
_PATHS = ("filename", "name", "path", "path_or_bytes")  # what they call it
_INHERITED = object()


class Wrapping(MetaPathFinder):
    """Each reader shows its path to ``check`` first, and each starter of processes is refused, while ``wrapped``.

    Whoever holds a reader by a name of a module is given the wrapped one; a package that is imported meanwhile is
    wrapped as it comes. Blocks nest and overlap: the last one to end puts everything back, and the wrapped readers
    that somebody keeps go on to ask ``check``.
    """

    def __init__(self, check: CheckPath, refuse: Refuse) -> None:
        self._check, self._refuse = check, refuse
        self._lock = threading.Lock()
        self._blocks = 0
        self._replaced: dict[int, tuple[Any, Any]] = {}  # the original, kept so that its id stays its own, and ours
        self._places: list[tuple[Any, str, Any]] = []  # of the originals that a name was taken from

    @contextmanager
    def wrapped(self) -> Iterator[None]:
        with self._lock:
            self._blocks += 1
            if self._blocks == 1:
                sys.meta_path.insert(0, self)
            for name in _READERS + _STARTERS:
                importlib.import_module(name.partition(":")[0])
            self._wrap(_READERS + _STARTERS + _OTHERS)
        try:
            yield
        finally:
            with self._lock:
                self._blocks -= 1
                if not self._blocks:
                    sys.meta_path.remove(self)
                    self._put_back()

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The spec of a package that has readers, which are wrapped once it has been imported; None of all others."""
        readers = tuple(each for each in _OTHERS if each.partition(":")[0] == name)
        spec = PathFinder.find_spec(name, path, target) if readers else None
        if spec is None or spec.loader is None:
            return None
        run = spec.loader.exec_module

        def run_and_wrap(module: ModuleType) -> None:
            run(module)
            self._wrap(readers)

        spec.loader.exec_module = run_and_wrap  # type: ignore[method-assign]
        return spec

    def _wrap(self, names: Sequence[str]) -> None:
        ours = {id(replacement) for _, replacement in self._replaced.values()}
        for name in names:
            module, _, path = name.partition(":")
            if module in sys.modules:
                holder, attribute = _find(sys.modules[module], path)
                original = getattr(holder, attribute, None)
                if original is not None and id(original) not in ours:
                    replacement = self._guarded(name, original)
                    self._replaced[id(original)] = original, replacement
                    self._put(holder, attribute, replacement)
        _swap_everywhere({at: replacement for at, (_, replacement) in self._replaced.items()})

    def _guarded(self, name: str, original: Any) -> Any:
        said, place = name.replace(":", "."), _SECOND.get(name, 0)

        @functools.wraps(original, updated=())
        def guarded(*args: Any, **options: Any) -> Any:
            if name in _STARTERS:
                self._refuse(said)
            for path in (*args[place : place + 1], *(options[each] for each in _PATHS if each in options)):
                self._check(path, said)
            return original(*args, **options)

        return guarded

    def _put(self, holder: Any, attribute: str, replacement: Any) -> None:
        self._places.append((holder, attribute, vars(holder).get(attribute, _INHERITED)))
        setattr(holder, attribute, replacement)

    def _put_back(self) -> None:
        for holder, attribute, original in reversed(self._places):
            if original is _INHERITED:
                delattr(holder, attribute)
            else:
                setattr(holder, attribute, original)
        _swap_everywhere({id(replacement): original for original, replacement in self._replaced.values()})
        self._places.clear()
        self._replaced.clear()


def _swap_everywhere(by_id: Mapping[int, Any]) -> None:
    """Puts other objects in the place of those with these ids, under every name that a module has for them."""
    for module in [*sys.modules.values()]:
        held = getattr(module, "__dict__", None)
        if not isinstance(held, dict) or by_id.keys().isdisjoint(map(id, [*held.values()])):
            continue
        for name, value in [*held.items()]:
            if id(value) in by_id:
                setattr(module, name, by_id[id(value)])


def _find(module: Any, path: str) -> tuple[Any, str]:
    """What holds the last name of a dotted path, and that name."""
    *folders, name = path.split(".")
    for folder in folders:
        module = getattr(module, folder, None)
    return module, name
