"""Small data sets on disk: numbers as images, so that every pixel can be foretold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

Arrays = dict[str, NDArray[Any]]


@pytest.fixture
def arrays() -> Arrays:
    """60 training and 9 test images of 8x8, three classes in turn; image n has the value n everywhere."""
    x = np.broadcast_to(np.arange(60, dtype=np.uint8)[:, None, None], (60, 8, 8)).copy()
    y = np.arange(60) % 3
    return {"x_train": x, "y_train": y, "x_test": x[:9] + 100, "y_test": y[:9]}


@pytest.fixture
def save_npz(tmp_path: Path) -> Callable[[Arrays], Path]:
    def save(arrays: Arrays) -> Path:
        path = tmp_path / "images.npz"
        np.savez(path, **arrays)
        return path

    return save


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    """train/ with 10 and val/ with 3 images of each class cat and dog, 12x8 pixels, one colour an image."""
    root = tmp_path / "pets"
    for part, count in (("train", 10), ("val", 3)):
        for shade, name in ((20, "cat"), (120, "dog")):
            (root / part / name).mkdir(parents=True)
            for number in range(count):
                colour = (shade + number, 255 - shade, 7)
                Image.new("RGB", (12, 8), colour).save(root / part / name / f"{number}.png")
    return root
