"""The score of a gene under generated weights: calibrate batch norm, then classify the validation images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from kdsearch.data.augment import normalise
from kdsearch.data.images import ImageSet
from kdsearch.models.folding import folded
from kdsearch.training.evaluation import chunk_size, evaluating, recalibrate_batch_norm

if TYPE_CHECKING:
    from kdsearch.models.widths import WidthSpace
    from kdsearch.space import Candidate

_LOOK = 256  # images between two looks at the bar: each look may err
_PROOF = 4  # images that folding is proved on, once a net
_SURE = 2.58  # standard errors: a two-sided 99% interval


def calibrated_tensors(
    net: nn.Module,
    widths: WidthSpace,
    gene: Candidate,
    weights: Mapping[str, Tensor],
    calibration: Sequence[Tensor],
) -> dict[str, Tensor]:
    """The gene's weights and its batch-norm statistics: exact averages over the calibration batches."""
    buffers = {name: value.clone() for name, value in widths.crop(gene, dict(net.named_buffers())).items()}
    tensors = dict(weights) | buffers
    with torch.no_grad(), widths.applied(gene, tensors):
        recalibrate_batch_norm(net, calibration)
    return tensors


def accuracy_of(
    net: nn.Module,
    images: ImageSet,
    statistics: tuple[tuple[float, ...], tuple[float, ...]],
    *,
    bar: float | None = None,
) -> dict[str, float]:
    """``accuracy`` (0..1), its standard error, the images seen, and 1 or 0 for ``dropped``.

    ``statistics``: mean and deviation that the pixels are normalised with. With a ``bar``, classification stops as soon
    as the upper end of the 99% interval lies below it: the candidate cannot matter any more, and its accuracy so far is
    its score. A net that answers nan is wrong on those images.
    """
    right = seen = 0
    dropped = False
    device = next(net.parameters()).device
    first_BCHW = normalise(images.images_NCHW[:_PROOF].to(device), *statistics)
    chunk = chunk_size(device)
    with evaluating(net), torch.inference_mode(), folded(net, first_BCHW):
        for start in range(0, len(images), chunk):
            label_B = images.labels_N[start : start + chunk].to(device)
            pixels_BCHW = images.images_NCHW[start : start + chunk].to(device)
            logits_BC = net(normalise(pixels_BCHW, *statistics))
            right += int(((logits_BC.argmax(1) == label_B) & logits_BC.isfinite().all(1)).sum())
            looks = bar is not None and (seen + len(label_B)) // _LOOK > seen // _LOOK
            seen += len(label_B)
            if looks and bar is not None and right / seen + _SURE * standard_error(right, seen) < bar:
                dropped = seen < len(images)
                break
    return {
        "accuracy": right / seen,
        "accuracy_stderr": standard_error(right, seen),
        "images": float(seen),
        "dropped": float(dropped),
    }


def standard_error(right: int, seen: int) -> float:
    """Of a share of ``right`` out of ``seen``, with one success and one failure added (never zero)."""
    share = (right + 1) / (seen + 2)
    return float((share * (1 - share) / (seen + 2)) ** 0.5)
