from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

from kdsearch.data.datasets import Dataset
from kdsearch.data.images import ImageSet
from kdsearch.spec.sections import Augmentation, StudentOptions
from kdsearch.spec.task_sections import TaskOptions
from kdsearch.strategies.base import Job
from kdsearch.strategies.scratch import Scratch
from kdsearch.tasks.classification import Classification
from kdsearch.widths.finding import find_widths

pytestmark = [
    pytest.mark.medium,
    pytest.mark.timeout(60),
]  # the first trace of a net imports much of torch


@dataclass
class Situation:
    """The part of a context that training from scratch reads."""

    task: Classification
    widths: object
    device: torch.device


def halves(count: int, seed: int) -> ImageSet:
    """Noise that is brighter above (class 0) or below (1)."""
    images = torch.randint(60, (count, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    labels = torch.arange(count) % 2
    images[labels == 0, :, :4] += 150
    images[labels == 1, :, 4:] += 150
    return ImageSet(images, labels)


@pytest.fixture
def situation() -> Situation:
    dataset = Dataset("halves", halves(128, 0), halves(40, 1), halves(40, 2), ("up", "down"), (0.4,), (0.3,), "halves")
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 2)
    )
    widths = find_widths(net, (1, 8, 8), StudentOptions(net="lenet5", divisor=8))
    return Situation(Classification(TaskOptions(dataset="mnist5k"), dataset), widths, torch.device("cpu"))


def train(situation: Situation, seed: int, checkpoint: Path | None = None):
    options = Scratch.Options(epochs=3, batch_size=16, augment=Augmentation(crop=0, flip=False))
    gene = situation.widths.smallest
    return Scratch(options).train(situation, gene, Job(seed, checkpoint=checkpoint))


def test_the_compact_net_learns_and_its_validation_curve_is_kept(situation, tmp_path):
    trained = train(situation, 0, tmp_path / "net.pt")
    assert trained.model[0].out_channels == 8
    assert situation.task.evaluate(trained.model, "test", device=situation.device)["accuracy"] > 0.9
    assert [record["epoch"] for record in trained.history] == [1, 2, 3]
    assert all("validation_accuracy" in record for record in trained.history)


def test_a_candidates_training_is_not_validated_and_ends_in_the_same_bits(situation, tmp_path):
    """It has no checkpoint, and nobody reads its history."""
    candidates, student = train(situation, 0), train(situation, 0, tmp_path / "net.pt")
    assert not any("validation_accuracy" in record for record in candidates.history)
    kept = student.model.state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in candidates.model.state_dict().items())


def test_the_seed_alone_decides_not_what_the_full_nets_weights_are(situation):
    first = train(situation, 3).model.state_dict()
    with torch.no_grad():
        for parameter in situation.widths.net.parameters():
            parameter.fill_(0.5)
    again, other = train(situation, 3).model.state_dict(), train(situation, 4).model.state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["0.weight"], other["0.weight"])
