from __future__ import annotations

import pytest
import torch
from torch import nn

from kdsearch.models.dafl_generator import DaflGenerator


@pytest.mark.parametrize(
    ("noise", "shape", "millions"),
    # linear layer, its norm, three convolutions and their norms: as published, in millions 1.05 and 8.42
    [(100, (1, 32, 32), 1.05), (1000, (3, 32, 32), 8.42)],
)
def test_it_is_as_large_as_the_published_one(noise, shape, millions):
    sizes = [(noise + 1) * 128 * 64, 2 * 128, (128 * 9 + 1) * 128, 2 * 128, (128 * 9 + 1) * 64, 2 * 64]
    expected = sum(sizes) + (64 * 9 + 1) * shape[0]
    count = sum(p.numel() for p in DaflGenerator(noise, shape).parameters())
    assert count == expected
    assert round(count / 1e6, 2) == millions


def test_two_of_its_norms_divide_by_more_than_the_spread():
    norms = [module for module in DaflGenerator(8, (3, 32, 32), 4).modules() if isinstance(module, nn.BatchNorm2d)]
    assert [norm.eps for norm in norms] == [1e-5, 0.8, 0.8, 1e-5]
    assert [norm.affine for norm in norms] == [True, True, True, False]


@pytest.mark.parametrize(
    "shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 33, 47), (3, 64, 64), (3, 224, 224)], ids=str
)
def test_images_of_any_size_leave_it_about_a_mean_of_zero_and_spread_by_one_at_most(shape):
    image = DaflGenerator(8, shape, 2)(torch.randn(8, 8, generator=torch.Generator().manual_seed(0)))
    assert image.shape == (8, *shape)
    assert image.mean((0, 2, 3)).abs().max() < 1e-4
    assert 0 < image.var((0, 2, 3), correction=0).min() <= image.var((0, 2, 3), correction=0).max() < 1.001
