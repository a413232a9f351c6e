from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from kdsearch.data.cutting import cut_image
from kdsearch.data.resize import fit_pixels


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize(("width", "height"), [(40, 30), (30, 40), (16, 16), (17, 90)])
def test_files_are_cut_as_arrays_are(width, height):
    # torch's antialiased resize is another implementation of the same filter: at most 1 of 255 apart
    image = noise(width, height)
    other = fit_pixels(torch.from_numpy(np.array(image)).permute(2, 0, 1)[None], 16, 3)[0]
    assert (torch.from_numpy(cut_image(image, 3, (16, 16))).int() - other.int()).abs().max() <= 1


def test_the_centre_stays_where_sides_differ():
    stripes = np.zeros((4, 12, 3), np.uint8)
    stripes[:, 4:8] = 200
    assert cut_image(Image.fromarray(stripes), 1, (4, 4)).tolist() == [[[200] * 4] * 4]
    upright = Image.fromarray(stripes.transpose(1, 0, 2).copy())
    assert cut_image(upright, 3, (4, 4)).tolist() == [[[200] * 4] * 4] * 3


@pytest.mark.parametrize("size", [(8, 6), (6, 8), (3, 20), (1, 1)])
@pytest.mark.parametrize(("width", "height"), [(40, 30), (7, 30), (101, 33), (2, 3)])
def test_every_image_gets_the_size_that_is_asked_for(size, width, height):
    assert cut_image(noise(width, height), 3, size).shape == (3, *size)


def test_pixels_of_more_than_eight_bits_are_refused():
    with pytest.raises(ValueError, match="its pixels are of mode I;16, not of 8 bits"):
        cut_image(Image.new("I;16", (4, 4)), 1, None)
