"""The net as a phone runs it: pixels in 0..1 go in, the normalisation is a part of the net."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from kdsearch.tracing.copying import copy_net

log = logging.getLogger(__name__)


class Deployed(nn.Module):
    """A net with the task's normalisation in front, on the CPU in float32, in evaluation mode.

    It works on a copy: the net given keeps its device, its mode and its weights.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, net: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.net = copy_net(net).to("cpu", torch.float32).to(memory_format=torch.contiguous_format)
        self.register_buffer("mean", torch.tensor(mean).reshape(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).reshape(1, -1, 1, 1))
        self.eval().requires_grad_(False)

    def forward(self, pixels_BCHW: Tensor) -> Tensor:
        """The logits of images whose values lie in 0..1."""
        return self.net((pixels_BCHW - self.mean) / self.std)


@contextmanager
def quiet_tracing() -> Iterator[None]:
    """Keeps torch.jit's deprecation warnings and its tracer's remarks out of the user's sight.

    The remarks go to the log: whether a traced net still computes the same is measured, not guessed from them.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for remark in caught:
        log.debug("while tracing: %s", remark.message)


def freeze_trace(net: nn.Module, example_BCHW: Tensor) -> torch.jit.ScriptModule:
    """The net traced on one batch and frozen: what TorchScript files hold.

    What ``optimize_for_inference`` returns must never be saved: its file loses the weights without an error.
    """
    with quiet_tracing(), torch.no_grad():
        return torch.jit.freeze(torch.jit.trace(net.eval(), example_BCHW, check_trace=False))
