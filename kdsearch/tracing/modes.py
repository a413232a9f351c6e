"""Modes of a net that a block of code needs and that are as before after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _NormBase
from torch.overrides import TorchFunctionMode

_CHANCE = ("drop", "stochastic", "rrelu")  # in the class names of modules that draw random numbers in training
_DROPOUTS = {F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, F.feature_alpha_dropout}


@contextmanager
def unwatched() -> Iterator[None]:
    """Operators and functions inside this context are seen by no mode: eight times as fast as taking modes off."""
    with torch._C._DisableTorchDispatch(), torch._C.DisableTorchFunction():
        yield


@contextmanager
def training_steadily(net: nn.Module) -> Iterator[None]:
    """The path that training takes, with the numbers of evaluation: norms keep their statistics, nothing is dropped."""
    modes = [(module, module.training) for module in net.modules()]
    for module, _ in modes:
        kind = type(module).__name__.lower()
        module.training = not (isinstance(module, _NormBase) or any(word in kind for word in _CHANCE))
    try:
        with _NoDropout():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


class _NoDropout(TorchFunctionMode):
    """Dropout that is called as a function gives back what it is given."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _DROPOUTS:
            return args[0] if args else (kwargs or {})["input"]
        return func(*args, **(kwargs or {}))
