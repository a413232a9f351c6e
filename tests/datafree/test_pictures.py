import io

import numpy as np
import pytest
import torch
from PIL import Image

from kdsearch.datafree.pictures import Block, draw_grid, spread

SIDE, GAP, LINE = 56, 4, 12  # an 8x8 image is drawn seven times as large


def block(labels: list[int], grey: list[int], classes: int = 3, channels: int = 1) -> Block:
    """Even images of these grey levels, of which the teacher is sure."""
    images = torch.tensor(grey, dtype=torch.uint8)[:, None, None, None].expand(-1, channels, 8, 8)
    return Block("fresh", images, 9.0 * torch.eye(classes, dtype=torch.float16)[labels])


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def middle(column: int, row: int = 0, at: int = 0) -> tuple[int, int]:
    """The middle of an image: down and across."""
    deep = LINE + 2 * (SIDE + LINE + GAP)
    top = LINE + GAP + at * (deep + GAP) + LINE + row * (SIDE + LINE + GAP)
    return top + SIDE // 2, GAP + column * (SIDE + GAP) + SIDE // 2


def test_each_class_has_its_column_and_the_first_images_come_first():
    sheet = pixels(draw_grid([block([2, 0, 0, 0], [10, 20, 30, 40])], "abc"))
    assert sheet[middle(0)].tolist() == [20] * 3
    assert sheet[middle(0, row=1)].tolist() == [30] * 3
    assert sheet[middle(2)].tolist() == [10] * 3


def test_a_class_that_is_absent_is_told_from_a_black_image():
    sheet = pixels(draw_grid([block([0, 2], [0, 0])], "abc"))
    assert sheet[middle(0)].tolist() == [0] * 3
    assert sheet[middle(1)].tolist() == [235, 200, 200]


def test_contrast_is_not_stretched():
    image = torch.full((1, 1, 8, 8), 100, dtype=torch.uint8)
    image[..., 4:] = 104
    sheet = pixels(draw_grid([Block("fresh", image, torch.tensor([[9.0, 0]]))], "ab"))
    down, across = middle(0)
    assert (sheet[down, across - 10, 0], sheet[down, across + 10, 0]) == (100, 104)


def test_the_confidence_stands_under_each_image_and_depends_on_it():
    def under(logit: float) -> np.ndarray:
        image = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
        sheet = pixels(draw_grid([Block("fresh", image, torch.tensor([[logit, 0.0]]))], "ab"))
        top = LINE + GAP + LINE + SIDE
        return sheet[top : top + LINE, GAP : GAP + SIDE]

    assert (under(9.0) < 128).any()
    assert not np.array_equal(under(9.0), under(1.0))


def test_blocks_lie_under_one_another_and_colours_stay():
    colour = torch.tensor([200, 100, 50], dtype=torch.uint8)[None, :, None, None].expand(1, 3, 8, 8)
    sheet = pixels(
        draw_grid([block([0], [9], channels=3), Block("oldest", colour, torch.tensor([[9.0, 0, 0]]))], "abc")
    )
    assert sheet[middle(0)].tolist() == [9] * 3
    assert sheet[middle(0, at=1)].tolist() == [200, 100, 50]


@pytest.mark.parametrize("side", [8, 28, 32, 33, 224])
def test_a_picture_stays_small_whatever_the_images(side):
    image = torch.randint(256, (12, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    png = draw_grid([Block("fresh", image, torch.eye(12))] * 3, [f"class {at}" for at in range(12)])
    assert max(pixels(png).shape) <= 1200


def test_ten_classes_of_many_are_spread_over_all():
    assert spread(4) == [0, 1, 2, 3]
    assert spread(100) == [0, 11, 22, 33, 44, 55, 66, 77, 88, 99]
    draw_grid([block([0], [9], classes=100)], ["é"] * 100)


def test_the_same_images_make_the_same_bytes():
    assert draw_grid([block([0], [9])], "abc") == draw_grid([block([0], [9])], "abc")
