"""The score of a gene under generated weights: calibrate batch norm, then classify the validation images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from kdsearch.data.augment import normalise
from kdsearch.data.images import ImageSet
from kdsearch.measures.evaluation import chunk_size, evaluating, judge_logits
from kdsearch.measures.recalibration import recalibrate_batch_norm
from kdsearch.models.folding import folded
from kdsearch.spec.sections import RankedBy

if TYPE_CHECKING:
    from kdsearch.candidates.space import Candidate
    from kdsearch.widths.space import WidthSpace

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
    """The gene's weights and its batch-norm statistics: those of all calibration images, pooled."""
    buffers = {name: value.clone() for name, value in widths.crop(gene, dict(net.named_buffers())).items()}
    tensors = dict(weights) | buffers
    with torch.no_grad(), widths.applied(gene, tensors):
        recalibrate_batch_norm(net, calibration)
    return tensors


def score_net(
    net: nn.Module,
    images: ImageSet,
    statistics: tuple[tuple[float, ...], tuple[float, ...]],
    *,
    by: RankedBy = "accuracy",
    bar: float | None = None,
) -> dict[str, float]:
    """``accuracy`` (0..1), its standard error, the images seen, and 1 or 0 for ``dropped``.

    By likelihood also ``score``, the mean log-likelihood of the labels in nats, with its standard error: it tells apart
    what accuracy needs three times as many images for. ``statistics``: mean and deviation that the pixels are
    normalised with. With a ``bar``, classification stops as soon as the upper end of the 99% interval lies below it:
    the candidate cannot matter any more, and what it has so far stays. A net that answers nan is wrong on those images.
    """
    tally = _Tally(by)
    dropped = False
    device = next(net.parameters()).device
    first_BCHW = normalise(images.images_NCHW[:_PROOF].to(device), *statistics)
    chunk = chunk_size(device)
    with evaluating(net), torch.inference_mode(), folded(net, first_BCHW):
        for start in range(0, len(images), chunk):
            label_B = images.labels_N[start : start + chunk].to(device)
            pixels_BCHW = images.images_NCHW[start : start + chunk].to(device)
            logits_BC = net(normalise(pixels_BCHW, *statistics))
            looks = bar is not None and (tally.seen + len(label_B)) // _LOOK > tally.seen // _LOOK
            tally.add(logits_BC, label_B)
            if looks and bar is not None and tally.upper_end() < bar:
                dropped = tally.seen < len(images)
                break
    return tally.figures() | {"images": float(tally.seen), "dropped": float(dropped)}


class _Tally:
    """What a net has said of the images so far."""

    def __init__(self, by: RankedBy) -> None:
        self.by, self.right, self.seen = by, 0, 0
        self.total = self.squares = 0.0

    def add(self, logits_BC: Tensor, label_B: Tensor) -> None:
        right_B, loss_B = judge_logits(logits_BC, label_B)
        self.right += int(right_B.sum())
        self.seen += len(label_B)
        if self.by == "likelihood":
            self.total -= float(loss_B.sum())
            self.squares += float(loss_B.square().sum())

    def upper_end(self) -> float:
        """Of the 99% interval of what candidates are ranked by."""
        figures = self.figures()
        name = "score" if self.by == "likelihood" else "accuracy"
        return figures[name] + _SURE * figures[f"{name}_stderr"]

    def figures(self) -> dict[str, float]:
        found = {"accuracy": self.right / self.seen, "accuracy_stderr": standard_error(self.right, self.seen)}
        if self.by == "likelihood":
            mean = self.total / self.seen
            variance = max(0.0, self.squares / self.seen - mean**2)
            found |= {"score": mean, "score_stderr": float((variance / self.seen) ** 0.5)}
        return found


def standard_error(right: int, seen: int) -> float:
    """Of a share of ``right`` out of ``seen``, with one success and one failure added (never zero)."""
    share = (right + 1) / (seen + 2)
    return float((share * (1 - share) / (seen + 2)) ** 0.5)
