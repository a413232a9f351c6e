"""Images and labels that belong together."""

from __future__ import annotations

import pytest
import torch

from kdsearch.data.images import ImageSet

PIXELS = torch.arange(3 * 4, dtype=torch.uint8).reshape(3, 1, 2, 2)


def test_a_subset_has_the_images_and_labels_asked_for_as_copies():
    images = ImageSet(PIXELS.clone(), torch.tensor([5, 6, 7]))
    part = images.subset(torch.tensor([2, 0]))
    assert len(part) == 2
    assert part.labels_N.tolist() == [7, 5]
    assert part.images_NCHW[:, 0, 0, 0].tolist() == [8, 0]
    part.images_NCHW.zero_()
    assert images.images_NCHW.sum() == PIXELS.sum()


@pytest.mark.parametrize("labels", [torch.rand(3), torch.rand(3, 2), torch.tensor([0, 1, 0])])
def test_labels_are_classes_or_numbers(labels):
    assert len(ImageSet(PIXELS, labels)) == 3


@pytest.mark.parametrize(
    ("pixels", "labels", "said"),
    [
        (PIXELS.float(), torch.tensor([0, 0, 0]), r"images must be uint8 NCHW, got torch.float32 \(3, 1, 2, 2\)"),
        (PIXELS[:, 0], torch.tensor([0, 0, 0]), r"images must be uint8 NCHW, got torch.uint8 \(3, 2, 2\)"),
        (PIXELS, torch.tensor([0, 0]), r"labels must be 3 of int64 or float32, got torch.int64 \(2,\)"),
        (PIXELS, torch.zeros(3, 2, dtype=torch.int64), "labels must be 3 of int64 or float32"),
        (PIXELS, torch.zeros(3, dtype=torch.float64), "got torch.float64"),
    ],
)
def test_what_does_not_belong_together_is_refused(pixels, labels, said):
    with pytest.raises(ValueError, match=said):
        ImageSet(pixels, labels)


def test_targets_are_learned_in_place_of_labels_and_go_with_their_images():
    targets_NC = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    images = ImageSet(PIXELS, torch.tensor([0, 1, 0]), targets_NC)
    assert torch.equal(images.learned, targets_NC)
    assert torch.equal(images.subset(torch.tensor([1])).learned, targets_NC[1:2])
    assert torch.equal(ImageSet(PIXELS, torch.tensor([0, 1, 0])).learned, torch.tensor([0, 1, 0]))


@pytest.mark.parametrize("targets", [torch.rand(2, 4), torch.rand(3), torch.rand(3, 4, dtype=torch.float64)])
def test_targets_are_a_row_of_shares_an_image(targets):
    with pytest.raises(ValueError, match="targets must be 3 rows of float32"):
        ImageSet(PIXELS, torch.tensor([0, 1, 0]), targets)
