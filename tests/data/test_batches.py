from __future__ import annotations

import pytest
import torch

from kdsearch.data.batches import Batches
from kdsearch.data.images import ImageSet
from kdsearch.errors import DataError
from kdsearch.spec.sections import Augmentation

CPU = torch.device("cpu")


def batches(count=50, batch_size=8, seed=0, augmentation=None, num_classes=50):
    values = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 4, 4).contiguous()
    images = ImageSet(values, torch.arange(count))
    return Batches(
        images,
        batch_size=batch_size,
        seed=seed,
        mean=(0.0,),
        std=(1 / 255,),
        augmentation=augmentation,
        device=CPU,
        num_classes=num_classes,
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


@pytest.mark.parametrize("options", [{"cutout": 0.3}, {"mixup": 0.5, "cutmix": 1.0}])
@pytest.mark.parametrize("start", [1, 5, 6])
def test_an_epoch_taken_up_in_the_middle_goes_on_with_the_same_batches(start, options):
    augmentation = Augmentation(crop=1, flip=True, **options)
    whole = list(batches(augmentation=augmentation).epoch(3))
    rest = list(batches(augmentation=augmentation).epoch(3, start))
    assert len(rest) == len(whole) - start
    for (image, label), (expected_image, expected_label) in zip(rest, whole[start:], strict=True):
        assert torch.equal(image, expected_image)
        assert torch.equal(label, expected_label)


def test_fewer_images_than_a_batch_is_an_error():
    with pytest.raises(DataError, match="has 5 images, a batch takes 8; lower batch_size to 5"):
        batches(count=5)


def test_targets_of_mixed_images_name_the_two_classes_that_the_pixels_show():
    (image_BCHW, target_BC) = next(batches(augmentation=Augmentation(crop=0, flip=False, mixup=1.0)).epoch(0))
    assert target_BC.shape == (8, 50)
    assert target_BC.dtype == torch.float32
    assert torch.allclose(target_BC.sum(1), torch.ones(8))
    assert torch.allclose(image_BCHW[:, 0, 0, 0], target_BC @ torch.arange(50.0), atol=1e-4)  # image n has the value n


def test_targets_without_a_number_of_classes_are_a_bug():
    with pytest.raises(ValueError, match="mixup and cutmix make targets, which need num_classes"):
        batches(augmentation=Augmentation(mixup=0.2), num_classes=None)


@pytest.mark.parametrize("augmentation", [None, Augmentation(crop=0, flip=False, mixup=0.4)])
def test_images_with_targets_show_those(augmentation):
    values = torch.arange(6, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 4, 4).contiguous()
    targets_NC = torch.eye(6)[torch.arange(6)] * 0.5 + 0.5 / 6
    options = {"batch_size": 6, "seed": 0, "mean": (0.0,), "std": (1 / 255,), "device": CPU, "num_classes": 6}
    made = Batches(ImageSet(values, torch.arange(6), targets_NC), augmentation=augmentation, **options)
    ((image_BCHW, targets_BC),) = made.epoch(0)
    # half of a target lies on the image's own number, so the number that the pixels show follows from the target
    expected_B = (targets_BC * torch.arange(6)).sum(1) * 2 - 2.5
    torch.testing.assert_close(image_BCHW[:, 0, 0, 0], expected_B, rtol=0, atol=1e-4)
