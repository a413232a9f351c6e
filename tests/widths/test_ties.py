"""The two inner widths of a bottleneck, made one."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kdsearch.tracing.units import UnitRecorder, classify
from kdsearch.widths.ties import tie_bottlenecks


def record(layers):
    """A chain of convolutions: each reads what the one before gives off."""
    recorder = UnitRecorder()
    given = torch.zeros(3, dtype=torch.int64)
    for name, conv in layers:
        recorder.arrive((f"{name}:in", 0), given)
        given = recorder.leave((f"{name}:out", 0), conv.out_channels)
    return recorder


def conv(arriving, leaving, kernel):
    return nn.Conv2d(arriving, leaving, kernel)


@pytest.mark.parametrize(
    ("layers", "tied"),
    [
        ([("block.a", conv(3, 4, 1)), ("block.b", conv(4, 4, 3))], True),
        ([("block.a", conv(3, 4, 1)), ("block.b", conv(4, 4, 1))], False),  # no kernel above 1
        ([("block.a", conv(3, 4, 1)), ("other.b", conv(4, 4, 3))], False),  # two parents
        ([("block.a", conv(3, 4, 1)), ("block.b", conv(4, 6, 3))], False),  # unlike widths
    ],
)
def test_two_convolutions_of_a_block_are_tied_where_the_second_has_a_kernel(layers, tied):
    recorder = record(layers)
    tie_bottlenecks(recorder, layers)
    assert (int(classify(recorder).root_of[5]) == 1) is tied


def test_a_second_convolution_that_reads_something_else_is_not_tied():
    layers = [("block.a", conv(3, 4, 1)), ("block.b", conv(4, 4, 3))]
    recorder = UnitRecorder()
    recorder.arrive(("block.a:in", 0), torch.zeros(3, dtype=torch.int64))
    recorder.leave(("block.a:out", 0), 4)
    recorder.arrive(("block.b:in", 0), recorder.leave(("else:out", 0), 4))
    recorder.leave(("block.b:out", 0), 4)
    tie_bottlenecks(recorder, layers)
    assert int(classify(recorder).root_of[9]) == 9
