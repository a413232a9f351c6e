from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kdsearch.data.split import hold_out, thin_out
from kdsearch.errors import DataError


@given(st.lists(st.integers(5, 30), min_size=2, max_size=5), st.floats(0.05, 0.4), st.integers(0, 9))
def test_parts_cover_every_image_once_and_every_class(sizes, share, seed):
    labels = torch.cat([torch.full((size,), label) for label, size in enumerate(sizes)])
    names = [str(label) for label in range(len(sizes))]
    held, kept = hold_out(labels, [share], seed=seed, classes=names)
    assert sorted(torch.cat([held, kept]).tolist()) == list(range(len(labels)))
    for label, size in enumerate(sizes):
        assert int((labels[held] == label).sum()) == max(1, round(share * size))


def test_held_out_rows_are_shuffled_so_that_a_prefix_is_a_fair_sample():
    labels = torch.arange(1000) // 500
    held, _ = hold_out(labels, [0.4], seed=0, classes=["a", "b"])
    assert 70 < int(labels[held][:200].sum()) < 130


@given(st.integers(3, 60), st.integers(0, 5))
def test_thinning_keeps_shares_to_within_one_image(count, seed):
    labels = torch.tensor([0] * 30 + [1] * 20 + [2] * 10)
    rows = thin_out(labels, torch.arange(60), count, seed=seed)
    assert len(set(rows.tolist())) == count
    counts = torch.bincount(labels[rows], minlength=3)
    assert all(abs(kept - count * size / 60) <= 1 for kept, size in zip(counts.tolist(), (30, 20, 10), strict=True))


def test_fewer_images_than_classes_is_an_error():
    with pytest.raises(DataError, match=r"task\.train_images is 2, there are 3 classes"):
        thin_out(torch.arange(9) % 3, torch.arange(9), 2, seed=0)
