"""One row an image, whatever else is in the batch, and the same operators for every image."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from kdsearch.errors import SpecError, first_line
from kdsearch.models.value_watch import ValueWatch
from kdsearch.tracing.tracer import FOREIGN_ERRORS

_CLOSE = 1e-3  # as a share of the largest logit: kernels for one image round otherwise than those for several


def refuse_mixed_rows(net: nn.Module, image_BCHW: Tensor, who: str) -> None:
    """Raises SpecError where the logits of an image, in evaluation, are not a row of its own whatever else is there.

    Or where what is computed is decided by values of the image: no crop of such a net could be proved.
    """
    net.eval()
    watch = ValueWatch(image_BCHW)
    with torch.no_grad(), watch.watching():
        several = net(image_BCHW)
    if watch.read:
        raise SpecError(
            f"{who} decides by values of its images what to compute (it reads them by {watch.read}), so that "
            "its channels cannot be followed; write it with torch.where or a weighted sum"
        )
    _compare(several, _alone(net, image_BCHW[:1], who), who)


def _alone(net: nn.Module, image_BCHW: Tensor, who: str) -> Any:
    try:
        with torch.no_grad():
            return net(image_BCHW)
    except FOREIGN_ERRORS as error:
        raise SpecError(
            f"{who} does not run on a single image: {first_line(error)}; no size of a batch may be "
            "written into its forward"
        ) from error


def _compare(several: Tensor, alone: Any, who: str) -> None:
    shape = tuple(alone.shape) if isinstance(alone, Tensor) else type(alone).__name__
    if shape != (1, *several.shape[1:]):
        raise SpecError(
            f"{who} gives {shape} for a single image and {tuple(several.shape)} for {len(several)}; keep the "
            "dimension of the images: flatten(1) in place of squeeze() or reshape()"
        )
    gap = float((several[:1] - alone).abs().max())
    if not gap <= _CLOSE * float(alone.abs().max()):
        raise SpecError(
            f"{who} answers otherwise for an image alone than beside others, in evaluation (by {gap:.2g}); "
            "normalise and pool over each image only"
        )
