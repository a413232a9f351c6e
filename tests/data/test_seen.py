from __future__ import annotations

import base64

import pytest
import torch

from kdsearch.data.images import ImageSet
from kdsearch.data.seen import seen_share, sketch_images


def noise(count: int, seed: int = 0) -> ImageSet:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (count, 1, 4, 4), dtype=torch.uint8, generator=generator)
    return ImageSet(images, torch.zeros(count, dtype=torch.int64))


def test_of_few_images_every_one_is_known():
    images = noise(100)
    sketch = sketch_images(images)
    assert seen_share(sketch, images.subset(torch.arange(7))) == 1.0
    assert seen_share(sketch, noise(50, seed=1)) == 0.0
    mixed = ImageSet(torch.cat([images.images_NCHW[:30], noise(10, seed=1).images_NCHW]), torch.zeros(40).long())
    assert seen_share(sketch, mixed) == 0.75


def test_of_many_images_two_kilobytes_estimate_the_share():
    """2,000 of 4,000 tested were seen; about 4,000 * 256 / 4,000 can be told, so the estimate's deviation is 3 %."""
    seen, sketch = noise(4000), sketch_images(noise(4000))
    assert len(base64.b64decode(sketch)) == 256 * 6
    tested = torch.cat([seen.images_NCHW[:2000], noise(2000, seed=1).images_NCHW])
    assert seen_share(sketch, ImageSet(tested, torch.zeros(4000).long())) == pytest.approx(0.5, abs=0.12)
    assert seen_share(sketch, noise(2000, seed=2)) == 0.0


def test_the_order_of_the_images_and_their_labels_do_not_matter():
    images = noise(300)
    turned = ImageSet(images.images_NCHW.flip(0), torch.ones(300, dtype=torch.int64))
    assert sketch_images(images) == sketch_images(turned)


def test_without_a_sketch_nothing_was_seen():
    assert seen_share("", noise(5)) == 0.0
