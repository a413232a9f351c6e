"""What a forward calls, seen at two levels: the functions that people know, and the operators that they consist of."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from kdsearch.tracing.bare import bare_result
from kdsearch.tracing.calls import Call, Scene
from kdsearch.tracing.labels import varying
from kdsearch.tracing.modes import unwatched
from kdsearch.tracing.ops import apply_rule


class Watcher(Scene, Protocol):
    """What watching tells the tracer, and what it asks it."""

    calling: str
    inside: int
    layer_macs: int
    steps: int
    is_bare: bool

    def see(self, operator: str, result: Any) -> None:
        """Tells the ledger what an operator gave."""


class FunctionWatch(TorchFunctionMode):
    """Sees which functions the forward calls: people know these, not the operators that they consist of."""

    def __init__(self, tracer: Watcher) -> None:
        super().__init__()
        self.tracer = tracer

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(getattr(func, "__name__", "")).strip("_")
        self.tracer.calling = _SPOKEN.get(name, name)
        whole = self._rule_of(name, args)
        self.tracer.inside += whole is not None
        try:
            result = func(*args, **(kwargs or {}))
        finally:
            self.tracer.calling = ""
            self.tracer.inside -= whole is not None
        if whole is not None:
            with unwatched():
                whole(self.tracer, args, result)
        return result

    def _rule_of(self, name: str, args: Any) -> Callable[[Watcher, Any, Tensor], None] | None:
        """The rule for a function that is taken as a whole; None where its operators say all there is to say."""
        if self.tracer.inside or name not in _WHOLE or not args or not isinstance(args[0], Tensor):
            return None
        with unwatched():
            if name == "expand_as" and (self.tracer.label(args[0]) is not None or self.tracer.label(args[1]) is None):
                return None
        return _WHOLE[name]


def _keep_channels(tracer: Watcher, args: Any, result: Tensor) -> None:
    """Every channel stays in its place."""
    tracer.set(result, tracer.label(args[0]))


def _take_size(tracer: Watcher, args: Any, result: Tensor) -> None:
    """What has no channels becomes as large as what has some: wherever it goes, it has as many."""
    label = tracer.label(args[1])
    assert label is not None
    is_grown = all(dim < result.ndim - args[0].ndim or args[0].shape[dim - result.ndim] == 1 for dim in varying(label))
    tracer.set(result, label if is_grown else None)


_WHOLE = {"local_response_norm": _keep_channels, "expand_as": _take_size}
"""Functions whose operators would not show that channels stay in their places, or where a size comes from."""
_SPOKEN = {"getitem": "indexing", "setitem": "writing into a part", "get": ""}


class OperatorWatch(TorchDispatchMode):
    """Sees every operator between the layers, and counts MACs inside them."""

    def __init__(self, tracer: Watcher) -> None:
        super().__init__()
        self.tracer = tracer

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # nothing is compiled here, and wrapping the method against it imports the compiler: over a second
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.tracer.steps += 1
        with torch._C.DisableTorchFunction():  # what an operator consists of is no function that the forward calls
            return self._follow(func, args, kwargs or {})

    def _follow(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        result = bare_result(func, args) if self.tracer.is_bare else NotImplemented
        result = func(*args, **kwargs) if result is NotImplemented else result
        macs = count_call(func, args, kwargs, result)
        if self.tracer.inside:
            self.tracer.layer_macs += macs
        else:
            call = Call(self.tracer, func, args, kwargs, result, macs)
            apply_rule(call)
            self.tracer.see(call.name, result)
        return result


def count_call(func: Any, args: Any, kwargs: dict[str, Any], result: Any) -> int:
    """The MACs of one operator, as PyTorch's own counter has them (half its FLOPs)."""
    if func is torch.ops.aten.convolution.default and not args[6]:  # most of the calls; the counter is slow to ask
        return int(result.numel()) * prod(args[1].shape[1:])
    counter = flop_registry.get(func._overloadpacket)
    return int(counter(*args, **kwargs, out_val=result)) // 2 if counter else 0
