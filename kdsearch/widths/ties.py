"""Ties that a study may ask for beyond those that a net enforces."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn
from torch.nn.modules.conv import _ConvNd

from kdsearch.tracing.units import UnitRecorder, classify


def tie_bottlenecks(recorder: UnitRecorder, layers: Sequence[tuple[str, nn.Module]]) -> None:
    """Makes the two inner widths of a bottleneck block one, as in MetaPruning's ResNet-50.

    A pair is two convolutions of one parent module, equally wide, of which the second reads what the first gives off
    and has a kernel larger than 1.
    """
    classes = classify(recorder)
    convolutions = [(name, module) for name, module in layers if isinstance(module, _ConvNd)]
    for (before, first), (after, second) in pairwise(convolutions):
        if before.rpartition(".")[0] != after.rpartition(".")[0] or max(second.kernel_size) == 1:
            continue
        given, taken = recorder.ports[f"{before}:out", 0], recorder.ports[f"{after}:in", 0]
        passed = len(given) == len(taken) and bool((classes.of(given) == classes.of(taken)).all())
        leaving = recorder.ports[f"{after}:out", 0]
        if passed and first.out_channels == second.out_channels:
            recorder.tie(given, leaving)
