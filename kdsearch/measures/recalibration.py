"""The statistics that a net's batch norms need for images, taken anew.

B: images of a batch, C: channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from kdsearch.measures.evaluation import evaluating


def recalibrate_batch_norm(model: nn.Module, images: Sequence[Tensor]) -> None:
    """Sets every batch norm's running mean and variance to those of all that came in with these batches, pooled.

    A batch counts by its images, and what batch means differ by is part of the variance (unbiased, over every value of
    a channel): two images left over for a last batch weigh as two images. In training mode for batch norm alone:
    dropout is off. Momentum and modes are as before afterwards.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    momenta = [norm.momentum for norm in norms]
    pools = [_Pool(norm) for norm in norms]
    with evaluating(model), ExitStack() as hooks:
        for norm, pool in zip(norms, pools, strict=True):
            norm.reset_running_stats()
            norm.momentum = 1.0  # so that running statistics after a batch are those of that batch alone
            norm.train()
            hooks.callback(norm.register_forward_hook(pool.add).remove)
        try:
            with torch.no_grad():
                for batch in images:
                    model(batch)
            for pool in pools:
                pool.settle()
        finally:
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum


@dataclass(slots=True)
class _Pool:
    """Mean and squared deviations of all values of a norm's channels so far (Chan et al. 1979), in float64."""

    norm: _BatchNorm
    count: int = 0
    mean_C: Tensor | None = None
    squares_C: Tensor | None = None

    def add(self, _module: nn.Module, given: tuple[Tensor, ...], _output: Any) -> None:
        """Takes in the statistics that one call has left in the norm."""
        mean, variance = self.norm.running_mean, self.norm.running_var
        assert mean is not None
        assert variance is not None
        count = given[0].numel() // mean.numel()
        mean_C, squares_C = mean.double(), variance.double() * (count - 1)
        if self.mean_C is None or self.squares_C is None:
            self.count, self.mean_C, self.squares_C = count, mean_C, squares_C
            return
        total = self.count + count
        apart_C = mean_C - self.mean_C
        self.squares_C = self.squares_C + squares_C + apart_C.square() * (self.count * count / total)
        self.mean_C = self.mean_C + apart_C * (count / total)
        self.count = total

    def settle(self) -> None:
        """Puts what was pooled into the norm; one that no call reached stays as it was reset."""
        if self.mean_C is None or self.squares_C is None:
            return
        assert self.norm.running_mean is not None
        assert self.norm.running_var is not None
        self.norm.running_mean.copy_(self.mean_C)
        self.norm.running_var.copy_(self.squares_C / max(1, self.count - 1))
