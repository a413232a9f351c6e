from __future__ import annotations

import pytest
import torch

from kdsearch.datafree.procedural import draw_procedural

GREY, COLOUR = ((0.13,), (0.31,)), ((0.49, 0.48, 0.45), (0.25, 0.24, 0.26))


def drawn(count, shape, statistics, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return draw_procedural(count, shape, *statistics)


@pytest.mark.parametrize(
    ("shape", "statistics"),
    [((1, 8, 8), GREY), ((1, 28, 28), GREY), ((3, 32, 32), COLOUR), ((3, 48, 33), COLOUR)],
    ids=str,
)
@pytest.mark.parametrize("count", [1, 7, 64])
def test_images_are_of_the_size_and_number_asked_for(shape, statistics, count):
    images = drawn(count, shape, statistics)
    assert images.shape == (count, *shape)
    assert images.dtype == torch.uint8


def test_their_brightness_is_that_of_the_card():
    images = drawn(400, (3, 32, 32), COLOUR).float() / 255
    assert (images.mean((0, 2, 3)) - torch.tensor(COLOUR[0])).abs().max() < 0.05
    assert (images.std((0, 2, 3)) - torch.tensor(COLOUR[1])).abs().max() < 0.09  # some is cut off


def test_curves_are_bright_on_dark_where_the_data_are_dark():
    curves = drawn(400, (1, 28, 28), GREY)[:200].float()
    bright = (curves.flatten(1).max(1).values > 200).float().mean()
    assert 0.75 < bright < 0.99


def test_the_seed_decides_them_and_no_two_are_alike():
    one, again, other = (drawn(64, (1, 28, 28), GREY, seed) for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert len({image.numpy().tobytes() for image in one}) == 64
