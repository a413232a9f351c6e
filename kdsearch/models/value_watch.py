"""Seeing that a forward reads values of its images: what it then computes cannot be followed by its operators."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils.weak import WeakTensorKeyDictionary

from kdsearch.tracing.calls import tensors_in

_OPERATORS = {
    "_local_scalar_dense": "item() or if",
    "equal": "torch.equal",
    "nonzero": "nonzero",
    "masked_select": "masked_select",
    "_unique2": "unique",
    "unique_dim": "unique",
    "unique_consecutive": "unique",
    "bincount": "bincount",
}
_METHODS = ("tolist", "numpy", "__array__", "__reduce_ex__")
"""What hands values over without an operator."""


class ValueWatch:
    """What the forward read first of the values that it computed from ``images``; empty where it read none."""

    def __init__(self, images: Tensor) -> None:
        self.read = ""
        self._from_images = WeakTensorKeyDictionary()
        self._from_images[images] = True

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Inside this context the forward is watched."""
        with _Operators(self), _Methods(self):
            yield

    def follows(self, values: Any) -> bool:
        """Whether any tensor of these values was computed from the images."""
        return any(tensor in self._from_images for tensor in tensors_in(values))

    def note_read(self, how: str) -> None:
        """Remembers the first reading."""
        self.read = self.read or how

    def spread(self, args: Any, result: Any, *, in_place: bool) -> None:
        """What is computed from the images follows them, and so does a tensor into a part of which it is written."""
        written = [args[0]._base] if in_place and args and isinstance(args[0], Tensor) else []
        for tensor in tensors_in((result, written)):
            self._from_images[tensor] = True


class _Operators(TorchDispatchMode):
    def __init__(self, watch: ValueWatch) -> None:
        super().__init__()
        self.watch = watch

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if self.watch.follows([args, list(kwargs.values())]):
            name = str(func._schema.name).split("::")[-1]
            if name in _OPERATORS or (name == "index" and _picks_by_mask(args)):
                self.watch.note_read(_OPERATORS.get(name, "a mask as an index"))
            self.watch.spread(args, result, in_place=func._schema.is_mutable)
        return result


class _Methods(TorchFunctionMode):
    def __init__(self, watch: ValueWatch) -> None:
        super().__init__()
        self.watch = watch

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in _METHODS:
            with _disable_current_modes():
                if self.watch.follows([args]):
                    self.watch.note_read(f"{name}()")
        return func(*args, **(kwargs or {}))


def _picks_by_mask(args: Any) -> bool:
    return any(index.dtype in (torch.bool, torch.uint8) for index in tensors_in(list(args[1:])))
