from __future__ import annotations

import pytest
import torch

from kdsearch.data.batches import Batches
from kdsearch.data.images import ImageSet
from kdsearch.errors import DataError
from kdsearch.sections import Augmentation

CPU = torch.device("cpu")


def batches(count=50, batch_size=8, seed=0, augmentation=None):
    values = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 4, 4).contiguous()
    images = ImageSet(values, torch.arange(count))
    return Batches(
        images, batch_size=batch_size, seed=seed, mean=(0.0,), std=(1 / 255,), augmentation=augmentation, device=CPU
    )


def test_an_epoch_shows_full_batches_of_different_images_with_their_labels():
    made = list(batches().epoch(0))
    assert len(made) == len(batches()) == 6
    labels = torch.cat([label_B for _, label_B in made])
    assert len(set(labels.tolist())) == 48
    for image_BCHW, label_B in made:
        assert image_BCHW.dtype == torch.float32
        assert torch.equal(image_BCHW[:, 0, 0, 0].round().long(), label_B)


def test_epochs_and_seeds_have_orders_of_their_own():
    def order(seed, epoch):
        return torch.cat([label_B for _, label_B in batches(seed=seed).epoch(epoch)]).tolist()

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1)
    assert order(0, 1) != order(1, 0)


@pytest.mark.parametrize("start", [1, 5, 6])
def test_an_epoch_taken_up_in_the_middle_goes_on_with_the_same_batches(start):
    augmentation = Augmentation(crop=1, flip=True, cutout=0.3)
    whole = list(batches(augmentation=augmentation).epoch(3))
    rest = list(batches(augmentation=augmentation).epoch(3, start))
    assert len(rest) == len(whole) - start
    for (image, label), (expected_image, expected_label) in zip(rest, whole[start:], strict=True):
        assert torch.equal(image, expected_image)
        assert torch.equal(label, expected_label)


def test_fewer_images_than_a_batch_is_an_error():
    with pytest.raises(DataError, match="has 5 images, a batch takes 8; lower batch_size to 5"):
        batches(count=5)
