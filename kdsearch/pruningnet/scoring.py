"""The score of a gene under generated weights: calibrate batch norm, then classify the validation images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor, nn

from kdsearch.data.augment import normalise
from kdsearch.data.images import ImageSet
from kdsearch.measures.evaluation import chunk_size, evaluating
from kdsearch.measures.recalibration import recalibrate_batch_norm
from kdsearch.models.folding import folded
from kdsearch.spec.sections import RankedBy

if TYPE_CHECKING:
    from kdsearch.candidates.space import Candidate
    from kdsearch.tasks.base import Task
    from kdsearch.widths.space import WidthSpace

Judge: TypeAlias = "Task | type[Task]"

_LOOK = 256  # images between two comparisons with the bar; each comparison may err, so they are few
_PROOF = 4  # on how many images folding is proved, once a net
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


def fill(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copies tensors into parameters and buffers of these names, buffers that a state dict leaves out as well."""
    held = dict(model.named_parameters()) | dict(model.named_buffers())
    with torch.no_grad():
        for name, tensor in tensors.items():
            held[name].copy_(tensor)


def score_net(
    net: nn.Module,
    images: ImageSet,
    statistics: tuple[tuple[float, ...], tuple[float, ...]],
    judge: Judge,
    *,
    by: RankedBy | None = None,
    bar: float | None = None,
) -> dict[str, float]:
    """The headline figure of the task ``judge``, its standard error, the images seen, and 1 or 0 for ``dropped``.

    By likelihood also ``score``, the mean log-likelihood of the labels in nats (of images with targets, what is
    expected of it under those), with its standard error: it tells apart what accuracy, for one, needs three times as
    many images for. ``statistics``: mean and deviation that the pixels are normalised with. With a ``bar``,
    classification stops as soon as the upper end of the 99% interval lies below it: the candidate cannot matter any
    more, and what it has so far stays. A net that answers nan is wrong on those images.
    """
    tally = _Tally(judge, by)
    dropped = False
    device = next(net.parameters()).device
    first_BCHW = normalise(images.images_NCHW[:_PROOF].to(device), *statistics)
    chunk = chunk_size(device)
    with evaluating(net), torch.inference_mode(), folded(net, first_BCHW):
        for start in range(0, len(images), chunk):
            labels = images.learned[start : start + chunk].to(device)
            pixels_BCHW = images.images_NCHW[start : start + chunk].to(device)
            logits_BC = net(normalise(pixels_BCHW, *statistics))
            looks = bar is not None and (tally.seen + len(labels)) // _LOOK > tally.seen // _LOOK
            tally.add(logits_BC, labels)
            if looks and bar is not None and tally.upper_end() < bar:
                dropped = tally.seen < len(images)
                break
    return tally.figures() | {"images": float(tally.seen), "dropped": float(dropped)}


class _Tally:
    """What a net has said of the images so far, as the task judges it."""

    def __init__(self, judge: Judge, by: RankedBy | None) -> None:
        self.judge, self.by, self.seen = judge, by, 0
        self.reached = self.reached_squares = self.total = self.squares = 0.0

    def add(self, logits_BC: Tensor, labels: Tensor) -> None:
        figure_B, loss_B = self.judge.judge_each(logits_BC, labels)
        self.reached += float(figure_B.double().sum())
        self.reached_squares += float(figure_B.double().square().sum())
        self.seen += len(labels)
        if self.by == "likelihood":
            self.total -= float(loss_B.sum())
            self.squares += float(loss_B.square().sum())

    def upper_end(self) -> float:
        """The upper end of the 99% interval of what candidates are ranked by, higher is better."""
        figures, metric = self.figures(), self.judge.metric
        if self.by == "likelihood":
            return figures["score"] + _SURE * figures["score_stderr"]
        return metric.merit(figures[metric.name]) + _SURE * figures[metric.stderr]

    def figures(self) -> dict[str, float]:
        metric = self.judge.metric
        error = self.judge.standard_error(self.reached, self.reached_squares, self.seen)
        found = {metric.name: self.reached / self.seen, metric.stderr: error}
        if self.by == "likelihood":
            mean = self.total / self.seen
            variance = max(0.0, self.squares / self.seen - mean**2)
            found |= {"score": mean, "score_stderr": float((variance / self.seen) ** 0.5)}
        return found
