from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from kdsearch.data.images import ImageSet
from kdsearch.data.samplers import Uniform
from kdsearch.data.views import ViewBatches
from kdsearch.errors import StoreError
from kdsearch.spec.sections import Augmentation
from kdsearch.teaching import teacher_cache
from kdsearch.teaching.teacher_cache import CacheKey, cache_bytes, is_cached, open_cache
from kdsearch.teaching.teachers import Teacher

CPU = torch.device("cpu")
BUSY = Augmentation(crop=2, flip=True, cutout=0.4, resized_crop=(0.5, 1.0))
MIXED = Augmentation(crop=2, flip=True, mixup=1.0, cutmix=1.0)
HALF = {"rtol": 2**-11, "atol": 1e-4}  # float16 has 11 bits
TAPS = {"map": "2", "embedding": "5:input"}


def noise(count=50) -> ImageSet:
    pixels = torch.randint(256, (count, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    return ImageSet(pixels, torch.arange(count) % 5)


def make_teacher(scale=1.0) -> Teacher:
    """A net with batch norm and dropout, which only evaluation mode keeps from depending on the batch and on chance."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = [nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()]
        net = nn.Sequential(*layers, nn.Sequential(nn.Dropout(0.5), nn.Linear(24, 7))).eval()
    net[5][1].weight.data *= scale
    net[1].running_mean.fill_(0.1)
    columns = (6, 0, 1, 2, 3)
    return Teacher(net, "toy", "a1b2", (0.4, 0.5, 0.6), (0.2, 0.3, 0.2), tuple("abcde"), columns)


def make_key(**changes: Any) -> CacheKey:
    key = CacheKey(make_teacher(), TAPS, views=3, augmentation=BUSY, seed=5, data_digest="d")
    return replace(key, **changes)


def count_forwards(key: CacheKey) -> list[int]:
    """The sizes of the batches that the teacher sees from now on."""
    sizes: list[int] = []
    key.teacher.net.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    return sizes


def batches(cache, augmentation):
    sampler = Uniform(50, batch_size=8, seed=0)
    parts = {"num_classes": 5, "mean": (0.5,) * 3, "std": (0.2,) * 3, "augmentation": augmentation, "device": CPU}
    return ViewBatches(noise(), views=cache.stored, sampler=sampler, seed=0, **parts)


@pytest.mark.parametrize("augmentation", [BUSY, MIXED])
def test_what_is_stored_is_what_the_teacher_says_of_the_same_views(tmp_path, monkeypatch, augmentation):
    monkeypatch.setattr(teacher_cache, "_PIXELS", 17 * 64)  # batches of 17, and a shorter last one
    key = make_key(augmentation=augmentation)
    cache = open_cache(tmp_path, key, noise())
    seen = set()
    for epoch in range(3):
        for batch in batches(cache, augmentation).epoch(epoch):
            logits, taps = cache.signals(batch.rows_B, batch.views_B)
            asked, tapped = key.teacher.answer(batch.pixels_BCHW, TAPS)
            assert logits.dtype == taps["map"].dtype == torch.float32
            torch.testing.assert_close(logits, asked, **HALF)
            assert taps.keys() == tapped.keys() == TAPS.keys()
            for alias, tensor in tapped.items():
                torch.testing.assert_close(taps[alias], tensor, **HALF)
            seen |= set(zip(batch.rows_B.tolist(), batch.views_B.tolist(), strict=True))
    assert len(seen) == 150
    # views differ, so that agreement means something
    views = [torch.cat(list(cache.of_view("embedding", view))) for view in range(3)]
    assert float((views[0] - views[1]).abs().amax(1).min()) > 0.01
    assert float((views[1][1:] - views[1][:-1]).abs().amax(1).min()) > 0.01


def test_a_tap_of_one_view_holds_all_images_in_their_order(tmp_path, monkeypatch):
    cache = open_cache(tmp_path, make_key(), noise())
    expected = cache.signals(torch.arange(50), torch.full((50,), 2))[1]["embedding"]
    monkeypatch.setattr(teacher_cache, "_PART", 16)
    parts = list(cache.of_view("embedding", 2))
    assert [len(part) for part in parts] == [16, 16, 16, 2]
    assert torch.equal(torch.cat(parts), expected)
    assert torch.cat(list(cache.of_view("map", 0))).shape == (50, 6, 6, 6)


def test_the_teacher_is_asked_once_in_batches_of_one_size_and_told_of(tmp_path, monkeypatch):
    monkeypatch.setattr(teacher_cache, "_PIXELS", 64 * 64)
    key, told = make_key(), []
    sizes = count_forwards(key)
    assert not is_cached(tmp_path, key)
    open_cache(tmp_path, key, noise(), watch=told.append)
    assert sizes == [64, 64, 22]
    assert is_cached(tmp_path, key)
    assert (told[-1].phase, told[-1].step, told[-1].total, told[-1].note) == ("prepare", 150, 150, "asking toy")
    open_cache(tmp_path, make_key(teacher=key.teacher), noise())
    assert sum(sizes) == 150


TEACHER = make_teacher()
CHANGES = [
    {"teacher": replace(TEACHER, sha256="a1b3")},
    {"teacher": replace(TEACHER, mean=(0.4, 0.5, 0.5))},
    {"teacher": replace(TEACHER, std=(0.2, 0.2, 0.2))},
    {"teacher": replace(TEACHER, columns=(5, 0, 1, 2, 3))},
    {"taps": {"map": "0", "embedding": "5:input"}},
    {"taps": {"maps": "2", "embedding": "5:input"}},
    {"views": 2},
    {"augmentation": MIXED},
    {"augmentation": BUSY.model_copy(update={"resized_crop": (0.5, 0.9)})},
    {"seed": 6},
    {"data_digest": "e"},
    {"pooled": ("map",)},
]


@pytest.mark.parametrize("change", CHANGES, ids=range(len(CHANGES)))
def test_answers_to_another_question_are_kept_elsewhere(tmp_path, change):
    assert make_key(**change).place(tmp_path) != make_key().place(tmp_path)


def test_a_teachers_name_and_the_order_of_taps_do_not_matter(tmp_path):
    renamed = make_key(teacher=replace(TEACHER, name="else"), taps=dict(reversed(TAPS.items())))
    assert renamed.place(tmp_path) == make_key().place(tmp_path)


@pytest.mark.parametrize("name", ["logits.npy", "tap_0.npy", "view_part.npy", "header.json"])
def test_a_damaged_file_is_noticed_and_the_teacher_asked_again(tmp_path, caplog, name):
    key = make_key()
    first = open_cache(tmp_path, key, noise()).signals(torch.arange(50), torch.arange(50) % 3)
    path = key.place(tmp_path) / name
    path.write_bytes(path.read_bytes()[:-20])
    sizes = count_forwards(key)
    again = open_cache(tmp_path, key, noise()).signals(torch.arange(50), torch.arange(50) % 3)
    assert sum(sizes) == 150
    assert [(r.levelno, "damaged" in r.getMessage()) for r in caplog.records] == [(logging.WARNING, True)]
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1]["map"], again[1]["map"])


def test_answers_of_another_key_in_its_place_are_not_taken(tmp_path, caplog):
    other = make_key(seed=6)
    open_cache(tmp_path, other, noise())
    other.place(tmp_path).rename(make_key().place(tmp_path))
    open_cache(tmp_path, make_key(), noise())
    assert "it is of another key" in caplog.text


def test_the_bytes_foretold_are_those_of_the_files(tmp_path):
    cache = open_cache(tmp_path, make_key(), noise())
    files = [np.load(path, mmap_mode="r") for path in cache.place.glob("*.npy") if not path.name.startswith("view_")]
    assert sum(file.nbytes for file in files) == cache_bytes(50, 3, 5, [6 * 6 * 6, 24])
    assert cache.size_bytes == cache_bytes(50, 3, 5, [6 * 6 * 6, 24]) + 150 * (16 + 4 + 1 + 4)


def test_of_a_map_that_is_read_as_its_means_only_the_means_are_stored(tmp_path):
    whole, means = (open_cache(tmp_path, make_key(pooled=pooled), noise()) for pooled in ((), ("map",)))
    rows, views = torch.arange(50), torch.arange(50) % 3
    stored = means.signals(rows, views)[1]["map"]
    assert stored.shape == (50, 6)
    torch.testing.assert_close(stored, whole.signals(rows, views)[1]["map"].mean((2, 3)), rtol=2**-9, atol=1e-3)
    assert whole.size_bytes - means.size_bytes == 2 * 150 * (6 * 6 * 6 - 6)


@pytest.mark.parametrize("scale", [1e7, float("nan")])
def test_what_float16_cannot_hold_is_refused_and_nothing_kept(tmp_path, scale):
    key = make_key(teacher=make_teacher(scale))
    message = (
        r"^teacher toy: its logits reach \S+ for training image \d+; .* which ends at 65504: say teacher: \{mode: o"
    )
    with pytest.raises(StoreError, match=message):
        open_cache(tmp_path, key, noise())
    assert not is_cached(tmp_path, key)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_a_build_that_is_interrupted_starts_anew(tmp_path):
    def stop(progress: Any) -> None:
        raise KeyboardInterrupt

    key = make_key()
    with pytest.raises(KeyboardInterrupt):
        open_cache(tmp_path, key, noise(), watch=stop)
    assert not is_cached(tmp_path, key)
    sizes = count_forwards(key)
    open_cache(tmp_path, key, noise())
    assert sum(sizes) == 150


def test_too_little_space_is_said_before_the_teacher_is_asked_for_long(tiny_disk):
    key = make_key(views=60)
    sizes = count_forwards(key)
    with pytest.raises(StoreError, match=r"answers take 1\.\d MB, 0\.\d MB are free; free some, lower teacher\.views"):
        open_cache(tiny_disk / "teachers", key, noise())
    assert len(sizes) == 1


def test_a_disk_that_fills_up_meanwhile_is_one_line_and_leaves_no_half_cache(tiny_disk, monkeypatch):
    monkeypatch.setattr(teacher_cache, "_PIXELS", 17 * 64)
    key = make_key()
    sizes = count_forwards(key)

    def fill(module: nn.Module, given: Any) -> None:
        if len(sizes) == 2:
            (tiny_disk / "other").write_bytes(bytes(200_000))

    key.teacher.net.register_forward_pre_hook(fill)
    with pytest.raises(StoreError, match=r"cannot be built: no space left on device; free some and resume"):
        open_cache(tiny_disk / "teachers", key, noise())
    assert [path.suffix for path in Path(tiny_disk / "teachers").iterdir()] == [".lock"]


def test_a_teacher_in_training_mode_is_a_bug(tmp_path):
    key = make_key()
    key.teacher.net.train()
    with pytest.raises(ValueError, match="teacher toy is in training mode"):
        open_cache(tmp_path, key, noise())
