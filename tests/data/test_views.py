from __future__ import annotations

from typing import Any

import pytest
import torch

from kdsearch.data.images import ImageSet
from kdsearch.data.samplers import Uniform
from kdsearch.data.stored_views import StoredViews
from kdsearch.data.views import ViewBatches
from kdsearch.spec.sections import Augmentation

CPU = torch.device("cpu")
PLAIN = Augmentation(crop=0, flip=False)
BUSY = Augmentation(crop=2, flip=True, cutout=0.4, resized_crop=(0.5, 1.0))
MIXED = Augmentation(crop=2, flip=True, mixup=1.0, cutmix=1.0)


def noise(count=30) -> ImageSet:
    pixels = torch.randint(256, (count, 3, 8, 10), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    return ImageSet(pixels, torch.arange(count))


def numbered(count=30) -> ImageSet:
    """Image n has the value n everywhere and class n."""
    pixels = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 8, 10).contiguous()
    return ImageSet(pixels, torch.arange(count))


def batches(images=None, views: Any = None, seed=0, augmentation=BUSY, mean=(0.0,) * 3, std=(1 / 255,) * 3):
    images = noise() if images is None else images
    return ViewBatches(
        images,
        num_classes=30,
        views=views,
        sampler=Uniform(len(images), batch_size=8, seed=seed),
        seed=seed,
        mean=mean,
        std=std,
        augmentation=augmentation,
        device=CPU,
    )


def equal(first, second):
    return all(a is b is None or torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("views", [None, 3])
def test_rows_say_which_images_a_batch_shows(views):
    made = list(batches(numbered(), views, augmentation=PLAIN).epoch(0))
    assert len(made) == len(batches(numbered(), views)) == 4
    assert torch.cat([batch.rows_B for batch in made]).sort().values.tolist() == list(range(30))
    for batch in made:
        assert torch.equal(batch.labels, batch.rows_B)
        assert torch.equal(batch.pixels_BCHW[:, 0, 0, 0].long(), batch.rows_B)


def test_the_students_images_are_the_pixels_normalised():
    batch = next(batches(mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4)).epoch(0))
    expected = (batch.pixels_BCHW / 255 - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)) / torch.tensor(
        [0.2, 0.3, 0.4]
    ).view(3, 1, 1)
    assert batch.images_BCHW.dtype == torch.float32
    assert torch.allclose(batch.images_BCHW, expected, atol=1e-5)


@pytest.mark.parametrize("views", [None, 3])
@pytest.mark.parametrize("augmentation", [BUSY, MIXED])
def test_an_epoch_taken_up_in_the_middle_goes_on_with_the_same_batches(views, augmentation):
    whole = list(batches(views=views, augmentation=augmentation).epoch(2))
    rest = list(batches(views=views, augmentation=augmentation).epoch(2, 2))
    assert len(rest) == 2
    assert all(equal(*pair) for pair in zip(rest, whole[2:], strict=True))


@pytest.mark.parametrize("views", [None, 3])
def test_seeds_have_batches_of_their_own(views):
    first, other = (next(batches(views=views, seed=seed).epoch(0)) for seed in (0, 1))
    assert not torch.equal(first.rows_B, other.rows_B)


def test_as_many_epochs_as_views_show_each_view_of_each_image_once():
    made = batches(views=3)
    shown = [(int(row), int(view)) for e in range(5, 8) for b in made.epoch(e) for row, view in zip(b[3], b[4])]  # noqa: B905
    assert sorted(shown) == [(row, view) for row in range(30) for view in range(3)]
    first = {int(view) for batch in made.epoch(0) for view in batch.views_B}
    assert first == {0, 1, 2}  # an epoch does not show all images in the same view


@pytest.mark.parametrize("augmentation", [BUSY, MIXED])
def test_a_stored_view_looks_the_same_in_any_epoch_and_any_batch(augmentation):
    made = batches(views=2, augmentation=augmentation)
    seen: dict[tuple[int, int], Any] = {}
    for epoch in range(4):
        for batch in made.epoch(epoch):
            for at, of in enumerate(zip(batch.rows_B.tolist(), batch.views_B.tolist(), strict=True)):
                image, label = seen.setdefault(of, (batch.pixels_BCHW[at], batch.labels[at]))
                assert torch.equal(image, batch.pixels_BCHW[at])
                assert torch.equal(label, batch.labels[at])
    assert len(seen) == 60


def test_fresh_views_differ_between_epochs():
    made = batches(augmentation=Augmentation(crop=3))
    first, second = (
        {int(row): image for b in made.epoch(epoch) for row, image in zip(b.rows_B, b.pixels_BCHW, strict=True)}
        for epoch in (0, 1)
    )
    assert sum(torch.equal(first[row], second[row]) for row in range(30)) < 8
    assert next(made.epoch(0)).views_B is None


@pytest.mark.parametrize("views", [None, 3])
def test_targets_name_the_two_classes_that_the_pixels_show(views):
    for batch in batches(numbered(), views, augmentation=Augmentation(crop=0, flip=True, mixup=1.0)).epoch(1):
        assert batch.pixels_BCHW.dtype == batch.labels.dtype == torch.float32
        assert torch.allclose(batch.labels @ torch.arange(30.0), batch.pixels_BCHW[:, 0, 0, 0], atol=1e-4)
        assert torch.allclose(batch.labels.sum(1), torch.ones(len(batch.labels)))


@pytest.mark.parametrize("views", [None, 3])
def test_the_share_of_a_pasted_box_is_counted_in_pixels(views):
    for batch in batches(numbered(), views, augmentation=Augmentation(crop=0, flip=False, cutmix=1.0)).epoch(0):
        for row, image, target in zip(batch.rows_B, batch.pixels_BCHW, batch.labels, strict=True):
            own = float((image[0] == row).float().mean())
            assert float(target[row]) == pytest.approx(own, abs=1e-5)


def test_stored_views_of_an_earlier_batch_maker_are_shown_again():
    stored = StoredViews.draw(noise(), BUSY, views=2, seed=9)
    first, second = (next(batches(views=stored, seed=4).epoch(0)) for _ in range(2))
    assert equal(first, second)
    drawn = stored.show(noise().images_NCHW, first.rows_B, first.views_B, CPU)[0]
    assert torch.equal(first.pixels_BCHW, drawn)


@pytest.mark.parametrize(("count", "augmentation"), [(29, BUSY), (30, PLAIN)])
def test_stored_views_of_something_else_are_a_bug(count, augmentation):
    stored = StoredViews.draw(noise(count), augmentation, views=2, seed=9)
    with pytest.raises(ValueError, match="stored views are of"):
        batches(views=stored)


def test_images_with_targets_show_those_beside_their_teacher():
    plain, targets_NC = numbered(), torch.eye(30) * 0.7 + 0.01
    made = list(batches(ImageSet(plain.images_NCHW, plain.labels_N, targets_NC), augmentation=PLAIN).epoch(0))
    for batch in made:
        assert torch.equal(batch.labels, targets_NC[batch.rows_B])
