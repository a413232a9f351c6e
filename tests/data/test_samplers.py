from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kdsearch.data.batches import Batches
from kdsearch.data.clusters import cluster_rows
from kdsearch.data.images import ImageSet
from kdsearch.data.samplers import ClassBalanced, Uniform, _advise
from kdsearch.errors import DataError, SpecError


def long_tail(classes=100, count=12_000, ratio=100):
    """Labels whose class sizes fall exponentially, the first class ``ratio`` times the last."""
    share = torch.exp(-torch.arange(classes) / classes * np.log(ratio))
    return torch.repeat_interleave(torch.arange(classes), (share / share.sum() * count).round().long())


def embeddings(count=200, dimensions=6):
    return torch.rand(count, dimensions, generator=torch.Generator().manual_seed(0))


def make(name, *, batch_size=8, k=2, seed=0, rank=0, world=1):
    """Each of the three samplers over 203 images."""
    common = {"batch_size": batch_size, "seed": seed, "rank": rank, "world": world}
    if name == "uniform":
        return Uniform(203, **common)
    if name == "class_balanced":
        return ClassBalanced(torch.arange(203) % 13, k=k, **common)
    return ClassBalanced(cluster_rows(embeddings(203), 13, seed=0), k=k, **common)


NAMES = ("uniform", "class_balanced", "superclass")
ROOM = settings(max_examples=60, deadline=None)


@st.composite
def labelled(draw):
    """(labels, batch size, k): class sizes and group sizes of all proportions, in any order of rows."""
    sizes = draw(st.lists(st.integers(1, 60), min_size=1, max_size=25))
    labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    k = draw(st.integers(1, 5))
    groups = draw(st.integers(1 if k > 1 else 2, 8))
    if len(labels) < groups * k:
        labels = labels.repeat(-(-groups * k // len(labels)))
    shuffled = torch.randperm(len(labels), generator=torch.Generator().manual_seed(draw(st.integers(0, 99))))
    return labels[shuffled], groups * k, k


@ROOM
@given(case=labelled(), epoch=st.integers(0, 1000), seed=st.integers(0, 2**32))
def test_an_epoch_shows_every_image_once_but_for_a_rest_of_one(case, epoch, seed):
    labels, batch_size, k = case
    sampler = ClassBalanced(labels, batch_size=batch_size, k=k, seed=seed)
    batches = sampler.batches(epoch)
    rows = torch.cat(batches)
    assert len(batches) == len(sampler)
    assert len(rows) == len(rows.unique()) == len(labels) - (len(labels) % batch_size == 1)
    assert {len(batch) for batch in batches[:-1]} <= {batch_size}
    assert 2 <= len(batches[-1]) <= batch_size
    assert rows.dtype == torch.int64
    assert 0 <= int(rows.min()) <= int(rows.max()) < len(labels)


@ROOM
@given(case=labelled(), epoch=st.integers(0, 1000))
def test_full_batches_are_groups_with_the_classes_spread_evenly(case, epoch):
    labels, batch_size, k = case
    per_batch = batch_size // k
    groups = torch.bincount(labels) // k
    full = int(groups.sum()) // per_batch
    batches = ClassBalanced(labels, batch_size=batch_size, k=k, seed=3).batches(epoch)[:full]
    if not batches:
        return
    class_MGK = labels[torch.stack(batches)].view(full, per_batch, k)
    assert bool((class_MGK == class_MGK[:, :, :1]).all())
    count_MC = torch.stack([torch.bincount(one, minlength=len(groups)) for one in class_MGK[:, :, 0]])
    assert bool((count_MC.sum(0) <= groups).all())
    assert bool((count_MC.max(0).values - count_MC.min(0).values <= 1).all())


def test_a_batch_has_as_many_classes_as_groups_while_the_largest_class_allows_it():
    labels = long_tail()
    batches = ClassBalanced(labels, batch_size=64, k=4, seed=0).batches(0)
    full = int((torch.bincount(labels) // 4).sum()) // 16
    assert full >= 0.97 * len(batches)
    assert {len(labels[batch].unique()) for batch in batches[:full]} == {16}


def test_groups_too_few_for_a_batch_are_those_of_the_largest_class():
    labels = torch.repeat_interleave(torch.arange(4), torch.tensor([8, 6, 6, 6]))  # 4 + 3 + 3 + 3 groups of two
    for batch in ClassBalanced(labels, batch_size=8, k=2, seed=0).batches(0)[:3]:
        assert torch.bincount(labels[batch]).tolist() == [2, 2, 2, 2]


def test_ten_classes_share_sixteen_groups_as_one_or_two_each():
    labels = torch.arange(5000) % 10
    for batch in ClassBalanced(labels, batch_size=64, k=4, seed=0).batches(1)[:78]:
        assert sorted(torch.bincount(labels[batch]).tolist()) == [4] * 4 + [8] * 6


def test_the_last_batches_keep_together_what_is_left_of_a_class():
    labels = torch.arange(30) % 10  # three images a class: no group of four
    first, second = ClassBalanced(labels, batch_size=24, k=4, seed=0).batches(0)
    assert [len(labels[batch].unique()) for batch in (first, second)] == [8, 2]
    assert bool((labels[first].view(8, 3) == labels[first][::3, None]).all())


def test_classes_meet_in_ever_new_company():
    labels = torch.arange(20_000) % 100
    batches = torch.stack(ClassBalanced(labels, batch_size=64, k=4, seed=0).batches(0)[:312])
    present_MC = torch.zeros(312, 100).scatter_(1, labels[batches], 1.0)
    together = (present_MC.T @ present_MC)[~torch.eye(100, dtype=torch.bool)]
    # every class is in 50 of 312 batches; two that are independent of each other meet as often as 50 balls drawn from
    # 312, of which 50 are white, are white; 15 others of 99 instead of 16 of 100 lower that a little
    mean = 312 * 16 * 15 / (100 * 99)
    assert float(together.mean()) == pytest.approx(mean, rel=0.01)
    assert float(together.var()) == pytest.approx(mean * (262 / 312) * (262 / 311), rel=0.15)


def test_a_rare_class_is_spread_over_all_of_the_epoch():
    labels = torch.cat([torch.zeros(40, dtype=torch.int64), torch.arange(4000) % 20 + 1])
    shown = [
        step
        for epoch in range(40)
        for step, batch in enumerate(ClassBalanced(labels, batch_size=40, k=4, seed=0).batches(epoch)[:101])
        if bool((labels[batch] == 0).any())
    ]
    assert np.mean(shown) == pytest.approx(50, abs=5)  # 400 draws from 0..100 have a mean within 1.5
    assert np.std(shown) == pytest.approx(101 / 12**0.5, rel=0.1)


@pytest.mark.parametrize(
    "labels", [long_tail(), torch.arange(50_000) % 100, torch.arange(50_000) % 10], ids=["tail", "100", "10"]
)
def test_coverage_of_data_sets_in_use_is_complete(labels):
    rows = torch.cat(ClassBalanced(labels, batch_size=64, k=4, seed=0).batches(0))
    assert len(rows.unique()) == len(rows) >= 0.999 * len(labels)


@pytest.mark.parametrize("classes", [10, 100])
def test_an_epoch_of_50_000_images_is_laid_out_in_a_blink(classes):
    sampler = ClassBalanced(torch.arange(50_000) % classes, batch_size=64, k=4, seed=0)
    least = min(_seconds(sampler, epoch) for epoch in range(4))
    assert least < 0.2  # 20 ms on one core of a desktop


def _seconds(sampler, epoch):
    start = time.process_time()
    sampler.batches(epoch)
    return time.process_time() - start


@pytest.mark.parametrize("name", NAMES)
def test_the_batches_depend_on_seed_and_epoch_alone(name):
    def rows(seed, epoch):
        return torch.cat(make(name, seed=seed).batches(epoch)).tolist()

    sampler = make(name)
    sampler.batches(0)
    assert torch.cat(sampler.batches(4)).tolist() == rows(0, 4)
    assert rows(0, 4) != rows(0, 5)
    assert rows(0, 4) != rows(4, 0)
    assert rows(0, 4) != rows(1, 4)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("world", [2, 3, 5])
def test_ranks_share_an_epoch_in_equally_many_batches(name, world):
    parts = [make(name, rank=rank, world=world) for rank in range(world)]
    batches = [part.batches(2) for part in parts]
    assert {len(of_rank) for of_rank in batches} == {len(part) for part in parts} == {len(batches[0])}
    rows = torch.cat([row for of_rank in batches for row in of_rank])
    assert len(rows.unique()) == len(rows) > 203 - 2 * world
    for at_once in zip(*batches, strict=True):
        sizes = [len(batch) for batch in at_once]
        assert max(sizes) - min(sizes) <= 1
        assert 2 <= min(sizes) <= max(sizes) <= 8


def test_ranks_take_the_batches_of_one_in_turn():
    alone = make("class_balanced").batches(0)
    first, second = (make("class_balanced", rank=rank, world=2).batches(0) for rank in range(2))
    for step in range(12):
        assert torch.equal(first[step], alone[2 * step])
        assert torch.equal(second[step], alone[2 * step + 1])


def test_uniform_batches_come_in_the_order_of_batches():
    images = ImageSet(torch.zeros(50, 1, 1, 1, dtype=torch.uint8), torch.arange(50))
    plain = Batches(
        images, batch_size=8, seed=3, mean=(0.0,), std=(1.0,), augmentation=None, device=torch.device("cpu")
    )
    batches = Uniform(50, batch_size=8, seed=3).batches(2)
    assert [len(batch) for batch in batches] == [8] * 6 + [2]
    for batch, (_, label_B) in zip(batches, plain.epoch(2), strict=False):
        assert torch.equal(batch, label_B)


def test_a_rest_of_one_image_waits_an_epoch():
    sampler = Uniform(17, batch_size=8, seed=0)
    assert [len(batch) for batch in sampler.batches(0)] == [8, 8]
    missing = {frozenset(range(17)) - frozenset(torch.cat(sampler.batches(epoch)).tolist()) for epoch in range(8)}
    assert len(missing) > 1


def test_labels_need_not_be_numbered_without_gaps():
    labels = torch.tensor([7, 7, 7, 7, 300, 300, 300, 300])
    first, second = ClassBalanced(labels, batch_size=4, k=2, seed=0).batches(0)
    assert labels[first].tolist() in ([7, 7, 300, 300], [300, 300, 7, 7])
    assert len(torch.cat([first, second]).unique()) == 8


def test_large_groups_are_warned_of_once(caplog):
    _advise.cache_clear()
    for seed in range(3):
        ClassBalanced(torch.arange(300) % 10, batch_size=64, k=8, seed=seed)
    assert caplog.text.count("groups of k = 8 images of one class") == 1
    assert len(caplog.records) == 1


def test_few_classes_a_batch_are_warned_of_once(caplog):
    _advise.cache_clear()
    for seed in range(3):
        ClassBalanced(torch.arange(300) % 10, batch_size=16, k=4, seed=seed)
    assert caplog.messages == [
        "a batch holds 4 of 10 classes (batch_size / k); raise batch_size or lower k for at least 8"
    ]


def test_all_the_classes_there_are_is_not_few(caplog):
    _advise.cache_clear()
    ClassBalanced(torch.arange(300) % 3, batch_size=12, k=4, seed=0)
    assert not caplog.records


@pytest.mark.parametrize("k", [0, 5, 24])
def test_a_batch_of_broken_groups_is_an_error(k):
    with pytest.raises(SpecError, match=f"12 images is not made of groups of k = {k}; k may be 1, 2, 3, 4, 6, 12$"):
        ClassBalanced(torch.arange(300) % 10, batch_size=12, k=k, seed=0)


def test_fewer_images_than_a_batch_is_an_error():
    with pytest.raises(DataError, match="has 7 images, a batch takes 8; lower batch_size to 7 or less"):
        Uniform(7, batch_size=8, seed=0)


def test_fewer_images_than_a_batch_a_rank_is_an_error():
    with pytest.raises(DataError, match="has 15 images, 2 ranks take 8 each; lower batch_size to 7 or less"):
        Uniform(15, batch_size=8, seed=0, world=2)


@pytest.mark.parametrize(("rank", "world"), [(2, 2), (-1, 2), (0, 0)])
def test_a_rank_outside_its_world_is_a_bug(rank, world):
    with pytest.raises(ValueError, match=f"rank {rank} is not one of {world}"):
        Uniform(100, batch_size=8, seed=0, rank=rank, world=world)


def test_a_batch_of_one_image_is_a_bug():
    with pytest.raises(ValueError, match="at least 2 images, got batch_size 1"):
        Uniform(100, batch_size=1, seed=0)
