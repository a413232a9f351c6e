"""Readings of values that were computed from the images are seen."""

from __future__ import annotations

import pytest
import torch

from kdsearch.models.value_watch import ValueWatch


def read_by(forward) -> str:
    images = torch.ones(2, 3)
    watch = ValueWatch(images)
    with watch.watching():
        forward(images)
    return watch.read


@pytest.mark.parametrize(
    ("forward", "read"),
    [
        (lambda x: float((x * 2).sum()), "item() or if"),
        (lambda x: x if x.mean() > 0 else -x, "item() or if"),
        (lambda x: torch.equal(x, x + 1), "torch.equal"),
        (lambda x: (x * 2).nonzero(), "nonzero"),
        (lambda x: x.unique(), "unique"),
        (lambda x: x[x > 0], "a mask as an index"),
        (lambda x: x.mean(1).tolist(), "tolist()"),
        (lambda x: (x + 1).numpy(), "numpy()"),
        (lambda x: torch.zeros(2, 3).index_copy_(0, torch.tensor([0]), x[:1]).sum().item(), "item() or if"),
    ],
)
def test_what_reads_a_value_of_the_images_is_named(forward, read):
    assert read_by(forward) == read


@pytest.mark.parametrize(
    "forward",
    [
        lambda x: x * 2,
        lambda x: x[torch.tensor([0, 1])],
        lambda x: torch.where(x > 0, x, -x),
        lambda x: x * float(torch.ones(3).sum()),  # a value that does not come from the images
        lambda x: x.reshape(x.shape[0], -1),
    ],
)
def test_what_reads_none_is_not(forward):
    assert read_by(forward) == ""


def test_the_first_reading_is_told():
    assert read_by(lambda x: (x.unique(), float(x.sum()))) == "unique"


def test_what_is_written_into_a_part_makes_the_whole_follow_the_images():
    def forward(x):
        canvas = torch.zeros(4, 3)
        canvas[:2] = x
        return float(canvas[3].sum())

    assert read_by(forward) == "item() or if"
