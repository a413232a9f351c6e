from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from kdsearch.data.augment import apply_views, draw_views, normalise
from kdsearch.spec.sections import Augmentation

NOTHING = Augmentation(crop=0, flip=False)


def images(count=64, channels=3, height=10, width=12):
    shape = (count, channels, height, width)
    return torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def changed(options, seed=0, pixels=None):
    pixels = images() if pixels is None else pixels
    views = draw_views(len(pixels), options, tuple(pixels.shape[2:]), torch.Generator().manual_seed(seed))
    return apply_views(pixels, views)


def test_nothing_asked_nothing_changed():
    assert torch.equal(changed(NOTHING), images())


@pytest.mark.parametrize(
    "options",
    [
        Augmentation(crop=2, flip=True),
        Augmentation(crop=0, flip=True),
        Augmentation(crop=0, flip=False, cutout=0.4),
        Augmentation(crop=0, resized_crop=(0.3, 1.0)),
    ],
)
def test_same_generator_same_images_and_the_argument_stays(options):
    pixels = images()
    first, again, other = changed(options, 5, pixels), changed(options, 5, pixels), changed(options, 6, pixels)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(pixels, images())
    assert first.dtype == torch.uint8
    assert first.shape == pixels.shape


def test_shift_gives_every_window_of_the_padded_image_and_nothing_else():
    original = images(1)
    padded = F.pad(original, (1, 1, 1, 1))
    windows = {
        padded[0, :, top : top + 10, left : left + 12].numpy().tobytes() for top in range(3) for left in range(3)
    }
    shifted = changed(Augmentation(crop=1, flip=False), pixels=original.expand(300, -1, -1, -1))
    assert {image.numpy().tobytes() for image in shifted} == windows


def test_shift_below_one_is_a_share_of_the_side():
    black_border = changed(Augmentation(crop=0.5, flip=False), pixels=torch.full((400, 1, 4, 6), 9, dtype=torch.uint8))
    rows = (black_border.sum((1, 3)) > 0).sum(1)
    columns = (black_border.sum((1, 2)) > 0).sum(1)
    assert (int(rows.min()), int(columns.min())) == (2, 3)


def test_about_half_the_images_are_mirrored_and_the_rest_left():
    mirrored = changed(Augmentation(crop=0, flip=True), pixels=images(1000))
    left = (mirrored == images(1000)).all(3).all(2).all(1)
    turned = (mirrored == images(1000).flip(3)).all(3).all(2).all(1)
    assert bool((left ^ turned).all())
    assert 440 < int(turned.sum()) < 560


def test_cutout_covers_a_square_with_the_mean_colour():
    pixels = torch.zeros(200, 1, 10, 10, dtype=torch.uint8)
    pixels[:, :, :5] = 200  # mean 100
    covered = (changed(Augmentation(crop=0, flip=False, cutout=0.4), pixels=pixels) == 100).sum((1, 2, 3))
    assert int(covered.max()) == 16
    assert int(covered.min()) >= 4  # centre in a corner


def test_resized_crop_of_the_whole_area_is_at_most_an_aspect_change():
    columns = torch.arange(0, 240, 20, dtype=torch.uint8).expand(50, 1, 10, 12)
    seen = changed(Augmentation(crop=0, flip=False, resized_crop=(1.0, 1.0)), pixels=columns)
    assert int((seen.int() - columns.int()).abs().max()) <= 240 * (1 - (3 / 4) ** 0.5)


def test_resized_crop_of_a_quarter_doubles_what_is_in_view():
    columns = torch.arange(0, 240, 2, dtype=torch.uint8).expand(50, 1, 120, 120)
    seen = changed(Augmentation(crop=0, flip=False, resized_crop=(0.25, 0.25)), pixels=columns).int()
    span = (seen[:, 0, 60].amax(1) - seen[:, 0, 60].amin(1)).float() / 240
    assert float(span.min()) == pytest.approx((0.25 * 3 / 4) ** 0.5, abs=0.03)
    assert float(span.max()) == pytest.approx((0.25 * 4 / 3) ** 0.5, abs=0.03)


def test_normalise_is_share_minus_mean_over_deviation():
    pixels = images(2, channels=3)
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
    expected = (pixels.double() / 255 - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)
    assert torch.allclose(normalise(pixels, mean, std).double(), expected, atol=1e-5)


def test_normalised_images_can_be_trained_on_after_inference_asked_first():
    with torch.inference_mode():
        normalise(images(1), (0.1, 0.2, 0.3), (0.9, 0.8, 0.7))
    weight = torch.ones(1, requires_grad=True)
    (normalise(images(1), (0.1, 0.2, 0.3), (0.9, 0.8, 0.7)) * weight).sum().backward()
    assert weight.grad is not None


def by_hand(pixels, options, seed):
    """What each image must become, one image and one pixel row at a time; draws in the order of the docstring."""
    generator = torch.Generator().manual_seed(seed)
    count, _, height, width = pixels.shape
    if options.resized_crop is not None:
        pixels = cropped_by_hand(pixels, options.resized_crop, generator)
    if options.crop > 0:
        reach = [round(options.crop if options.crop >= 1 else options.crop * side) for side in (height, width)]
        tops, lefts = (torch.randint(2 * r + 1, (count,), generator=generator).tolist() for r in reach)
        black = F.pad(pixels, (reach[1], reach[1], reach[0], reach[0]))
        windows = [
            black[n, :, top : top + height, left : left + width]
            for n, (top, left) in enumerate(zip(tops, lefts, strict=True))
        ]
        pixels = torch.stack(windows)
    if options.flip:
        turns = (torch.rand(count, generator=generator) < 0.5).tolist()
        pixels = torch.stack([image.flip(2) if turn else image for image, turn in zip(pixels, turns, strict=True)])
    if options.cutout > 0:
        side = max(1, round(options.cutout * min(height, width)))
        tops, lefts = (torch.randint(length, (count,), generator=generator) - side // 2 for length in (height, width))
        colour, pixels = pixels.double().mean((0, 2, 3)).round().to(torch.uint8), pixels.clone()
        for image, top, left in zip(pixels, tops.tolist(), lefts.tolist(), strict=True):
            image[:, max(0, top) : top + side, max(0, left) : left + side] = colour.view(-1, 1, 1)
    return pixels


def cropped_by_hand(pixels, area, generator):
    """The part of each image that four draws (area, aspect, place down, place right) name, as torch samples it."""
    draws = torch.rand((4, len(pixels)), generator=generator)
    share, aspect = area[0] + (area[1] - area[0]) * draws[0], torch.exp((2 * draws[1] - 1) * math.log(4 / 3)).sqrt()
    height, width = (share.sqrt() / aspect).clamp(max=1), (share.sqrt() * aspect).clamp(max=1)
    theta = torch.zeros(len(pixels), 2, 3)
    theta[:, 0, 0], theta[:, 0, 2] = width, (2 * draws[3] - 1) * (1 - width)
    theta[:, 1, 1], theta[:, 1, 2] = height, (2 * draws[2] - 1) * (1 - height)
    grid = F.affine_grid(theta, list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels.float(), grid, padding_mode="border", align_corners=False).round().to(torch.uint8)


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize(
    "options",
    [
        Augmentation(),
        Augmentation(crop=3, flip=False),
        Augmentation(crop=2, cutout=0.4),
        Augmentation(crop=0.2, flip=True, cutout=0.3, resized_crop=(0.4, 0.9)),
    ],
)
def test_a_generator_gives_the_images_that_it_always_gave(options, seed):
    assert torch.equal(changed(options, seed), by_hand(images(), options, seed))
