"""Activation checkpointing of the reentrant kind, which no gradient reaches and no trace can hold, made the other kind.

A reentrant block gives the parameters in it no gradient where its input needs none, as the first block's does not, and
torch.jit cannot trace it. Its other form, which a keyword of ``torch.utils.checkpoint`` chooses, has neither fault.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn
from torch.utils import checkpoint as module

from kdsearch.tracing.modes import training_steadily

_NAME = "CheckpointFunction"


class _Unentered:
    """Stands in for torch's reentrant function: the same block, recomputed without reentrance."""

    calls: ClassVar[int] = 0

    @classmethod
    def apply(cls, block: Any, preserves_chance: bool, *given: Any) -> Any:
        cls.calls += 1
        return module.checkpoint(block, *given, use_reentrant=False, preserve_rng_state=preserves_chance)


_held: list[Any] = []


def _enter(net: nn.Module, given: Any) -> None:  # noqa: ARG001
    _held.append(getattr(module, _NAME))
    setattr(module, _NAME, _Unentered)


def _leave(net: nn.Module, given: Any, output: Any) -> None:  # noqa: ARG001
    setattr(module, _NAME, _held.pop())


def avoid_reentrance(net: nn.Module, image_BCHW: Tensor) -> list[str]:
    """Hooks on ``net`` that keep its blocks from reentrance while it runs, if it has such blocks; what was done.

    They are found by running the net in evaluation and along the path of training.
    """
    hooks = [net.register_forward_pre_hook(_enter), net.register_forward_hook(_leave, always_call=True)]
    before = _Unentered.calls
    net(image_BCHW)
    with training_steadily(net):
        net(image_BCHW)
    if _Unentered.calls > before:
        return ["activation checkpointing became use_reentrant=False"]
    for hook in hooks:
        hook.remove()
    return []
