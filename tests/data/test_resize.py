from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from kdsearch.data.resize import fit_pixels


def noise(*shape):
    return torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_grey_is_pillows_luminance():
    images = noise(3, 3, 9, 9)
    grey = fit_pixels(images, None, 1)
    for image, expected in zip(grey, images, strict=True):
        pillow = np.asarray(Image.fromarray(expected.permute(1, 2, 0).numpy()).convert("L"))
        assert np.abs(image[0].numpy().astype(int) - pillow).max() <= 1


def test_short_side_is_scaled_and_the_centre_cut_out():
    columns = torch.arange(24, dtype=torch.uint8).mul(10).expand(1, 1, 8, 24)
    assert torch.equal(fit_pixels(columns, 8, None), columns[..., 8:16])


def test_downscaling_agrees_with_pillow_to_one_step():
    image = noise(1, 3, 30, 30)
    expected = Image.fromarray(image[0].permute(1, 2, 0).numpy()).resize((10, 10), Image.Resampling.BILINEAR)
    found = fit_pixels(image, 10, None)[0].permute(1, 2, 0).numpy().astype(int)
    assert np.abs(found - np.asarray(expected)).max() <= 1
