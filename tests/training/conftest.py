"""A task and nets small enough to be trained in a blink."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from kdsearch.data.datasets import Dataset
from kdsearch.data.images import ImageSet
from kdsearch.spec.task_sections import TaskOptions
from kdsearch.tasks.classification import Classification


def bars(count: int, seed: int) -> ImageSet:
    """Noise with a bright bar: upright (class 0), across (1) or none (2)."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(100, (count, 1, 8, 8), dtype=torch.uint8, generator=generator)
    labels = torch.arange(count) % 3
    images[labels == 0, :, :, 3:5] = 230
    images[labels == 1, :, 3:5, :] = 230
    return ImageSet(images, labels)


@pytest.fixture
def bars_task() -> Classification:
    parts = bars(120, 0), bars(60, 1), bars(60, 2)
    dataset = Dataset("bars", *parts, classes=("|", "-", " "), mean=(0.3,), std=(0.3,), digest="bars")
    return Classification(TaskOptions(dataset="mnist5k"), dataset)


@pytest.fixture
def make_net() -> Callable[[int], nn.Module]:
    """A net with batch norm, dropout and a wide convolution, initialised from a seed."""

    def make(seed: int) -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return nn.Sequential(
                nn.Conv2d(1, 32, 3, padding=1, bias=False),
                nn.BatchNorm2d(32),
                nn.ReLU(),
                nn.Conv2d(32, 8, 3, stride=2),
                nn.ReLU(),
                nn.Flatten(),
                nn.Dropout(0.3),
                nn.Linear(72, 3),
            )

    return make
