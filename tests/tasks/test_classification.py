from __future__ import annotations

import pytest
import torch
from torch import nn

from kdsearch.data.datasets import load_dataset
from kdsearch.spec.sections import Recipe, TaskOptions
from kdsearch.tasks.classification import Classification

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    options = TaskOptions(dataset="mnist5k")
    return Classification(options, load_dataset(options, cache_dir=tmp_path_factory.mktemp("cache")))


@pytest.fixture
def net():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))


def test_a_search_cannot_read_the_test_part(task, net):
    blind = task.without_test()
    for read in (lambda: blind.images("test"), lambda: blind.evaluate(net, "test", device=CPU)):
        with pytest.raises(RuntimeError, match="test part is read once, after the search"):
            read()
    assert len(blind.dataset.test) == 0
    assert blind.digest == task.digest
    assert blind.evaluate(net, "validation", device=CPU) == task.evaluate(net, "validation", device=CPU)
    assert len(task.images("test")) == 500


def test_calibration_images_are_fixed_normalised_training_images(task):
    first, again, other = (task.calibration(100, seed, CPU) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    pixels = ((first * task.std[0] + task.mean[0]) * 255).round().to(torch.uint8)
    known = {image.numpy().tobytes() for image in task.images("train").images_NCHW}
    assert all(image.numpy().tobytes() in known for image in pixels)
    assert len(task.calibration(9999, 0, CPU)) == 4000


def test_training_batches_come_from_the_training_part(task):
    batches = task.train_batches(Recipe(batch_size=100), 0, CPU)
    image_BCHW, label_B = next(batches.epoch(0))
    assert len(batches) == 40
    assert image_BCHW.shape == (100, 1, 28, 28)
    assert abs(float(image_BCHW.mean())) < 0.2
    assert set(label_B.tolist()) <= set(range(10))
