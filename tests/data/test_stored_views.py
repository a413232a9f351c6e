from __future__ import annotations

import pytest
import torch

from kdsearch.data.augment import apply_views, draw_views
from kdsearch.data.images import ImageSet
from kdsearch.data.seeds import mix_seed
from kdsearch.data.stored_views import StoredViews
from kdsearch.spec.sections import Augmentation

CPU = torch.device("cpu")
EVERYTHING = Augmentation(crop=2, flip=True, cutout=0.4, resized_crop=(0.5, 1.0), mixup=1.0, cutmix=1.0)


def noise(count=20) -> ImageSet:
    pixels = torch.randint(256, (count, 3, 8, 10), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    return ImageSet(pixels, torch.arange(count))


def show(stored, rows, views):
    return stored.show(noise().images_NCHW, torch.tensor(rows), torch.tensor(views), CPU)[0]


@pytest.mark.parametrize("augmentation", [Augmentation(), EVERYTHING.model_copy(update={"cutout": 0.0})])
def test_a_stored_view_is_what_its_draw_makes_of_all_images_at_once(augmentation):
    stored = StoredViews.draw(noise(), augmentation, views=3, seed=5)
    generator = torch.Generator().manual_seed(mix_seed(5, 2, 0, 11))
    expected = apply_views(noise().images_NCHW, draw_views(20, augmentation, (8, 10), generator))
    assert torch.equal(show(stored, [7, 3, 19], [2, 2, 2]), expected[[7, 3, 19]])


def test_an_image_does_not_depend_on_those_beside_it():
    stored = StoredViews.draw(noise(), EVERYTHING, views=2, seed=0)
    together = show(stored, list(range(20)), [0, 1] * 10)
    assert all(torch.equal(together[row], show(stored, [row], [row % 2])[0]) for row in range(20))


def test_what_cutout_covers_has_the_mean_colour_of_the_images():
    stored = StoredViews.draw(noise(), Augmentation(crop=0, flip=False, cutout=0.5), views=1, seed=0)
    colour = noise().images_NCHW.double().mean((0, 2, 3)).round().to(torch.uint8)
    assert stored.colour == tuple(colour.tolist())
    changed = (show(stored, list(range(20)), [0] * 20) != noise().images_NCHW).any(1)
    shown = show(stored, list(range(20)), [0] * 20).permute(0, 2, 3, 1)[changed]
    assert torch.equal(shown, colour.expand_as(shown))
    assert int(changed.sum((1, 2)).max()) == 16


def test_views_of_an_image_differ_and_so_do_their_partners():
    stored = StoredViews.draw(noise(), EVERYTHING, views=8, seed=0)
    shown = show(stored, [4] * 8, list(range(8)))
    assert len({image.numpy().tobytes() for image in shown}) == 8
    assert len(set(stored.columns["partner"].reshape(20, 8)[4].tolist())) > 3


def test_a_view_of_everything_takes_41_bytes():
    stored = StoredViews.draw(noise(), EVERYTHING, views=3, seed=0)
    # a part: 4 floats, two corners: 4 small integers, mirrored or not, a partner, a share, a box: 4 small integers
    assert sum(column.nbytes for column in stored.columns.values()) == 60 * (16 + 8 + 1 + 4 + 4 + 8)
