"""A data set in a file and the card of a teacher for it, so small that it is trained in a blink."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from kdsearch.data.datasets import load_dataset
from kdsearch.spec.teacher_card import Card, read_card
from kdsearch.tasks.classification import Classification

CPU = torch.device("cpu")
CLASSES = ("bar", "beam", "none")


BARS_STUDY = """
name: tiny
task: {{npz: {data}, image_size: 28, validation_share: 0.2, test_share: 0.2}}
student: {{net: lenet5, divisor: 8}}
limits: {{macs: 60%}}
strategy: {{name: scratch, epochs: 1, batch_size: 15}}
budget: {{trials: 2}}
finish: {{name: scratch, epochs: 1, batch_size: 15, controls: {{uniform: false, full: false}}}}
"""
"""Of the bars that ``write_images`` writes to ``data``: what a run takes a second for; it says nothing of exports."""


def write_images(path: Path, count: int = 150, seed: int = 0) -> Path:
    """Noise of 8 x 8 pixels with a bright bar: upright, across, or none; as an .npz of a training part."""
    rng = np.random.default_rng(seed)
    images = rng.integers(100, size=(count, 8, 8), dtype=np.uint8)
    labels = np.arange(count) % 3
    images[labels == 0, :, 3:5] = 230
    images[labels == 1, 3:5, :] = 230
    np.savez(path, x_train=images, y_train=labels, classes=np.array(CLASSES))
    return path


def write_card(folder: Path, *changes: str, name: str = "tiny") -> Path:
    """A card without weights; the images that it trains on are written beside it."""
    data = write_images(folder / "bars.npz")
    lines = (
        f"name: {name}",
        "net: {net: resnet20, width: 0.125}",
        f"task: {{npz: {data}, validation_share: 0.2, test_share: 0.2}}",
        "recipe: {epochs: 4, batch_size: 15, learning_rate: 0.05, augment: {crop: 1, flip: false}}",
        *changes,
    )
    path = folder / f"{name}.yaml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def task_of(card: Card, **changes: object) -> Classification:
    """The task of a card, with its options changed; ``seed`` is the split's."""
    assert card.task is not None
    seed = int(str(changes.pop("seed", card.seed)))
    options = card.task.options.model_copy(update=changes)
    return Classification(options, load_dataset(options, cache_dir=Path("unused"), seed=seed))


def task_in(path: Path, **changes: object) -> Classification:
    """The task of the card in a file."""
    return task_of(read_card(path), **changes)
