from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from kdsearch.data.datasets import load_dataset
from kdsearch.spec.metric import AGREEMENT
from kdsearch.spec.sections import Recipe
from kdsearch.spec.task_sections import TaskOptions
from kdsearch.tasks.classification import Classification
from tests.banks import write_bank

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


class Sure(torch.nn.Module):
    """Says class 1 of every image."""

    def forward(self, image_BCHW):
        return torch.tensor([0.0, 5, 0]).expand(len(image_BCHW), -1)


def on_bank(folder, **options):
    write_bank(folder)
    return Classification.load(TaskOptions(bank=folder, **options), cache_dir=folder, seed=0)


def test_on_generated_images_a_net_is_judged_by_how_often_it_agrees_with_the_teacher(tmp_path):
    task = on_bank(tmp_path)
    assert task.generated
    assert task.metric == AGREEMENT
    for part in ("validation", "test"):
        found, details = task.examine(Sure(), part, device=CPU)
        assert found == task.evaluate(Sure(), part, device=CPU)
        assert found.keys() == {"agreement", "agreement_stderr", "loss", "images"}
        assert found["agreement"] == pytest.approx(1 / 3)
        assert len(details["confusion"]) == 3
    targets_NC = task.images("test").targets_NC
    expected = -(targets_NC * torch.log_softmax(torch.tensor([0.0, 5, 0]), 0)).sum(1).mean()
    assert found["loss"] == pytest.approx(float(expected), rel=1e-5)


def test_only_real_test_images_give_an_accuracy(tmp_path):
    real = tmp_path / "real.npz"
    np.savez(real, x_test=np.zeros((4, 8, 8), np.uint8), y_test=np.array([1, 1, 1, 0]))
    task = on_bank(tmp_path, test={"npz": real})
    assert task.evaluate(Sure(), "test", device=CPU)["accuracy"] == 0.75
    assert "agreement" in task.evaluate(Sure(), "validation", device=CPU)
    hidden = task.without_test()
    assert hidden.metric == AGREEMENT
    assert hidden.dataset.late_test is None
    with pytest.raises(RuntimeError, match="the test part is read once"):
        hidden.images("test")


def test_a_training_on_generated_images_learns_the_teachers_answers(tmp_path):
    task = on_bank(tmp_path)
    _, targets_BC = next(task.train_batches(Recipe(batch_size=24, augment={"crop": 0}), 0, CPU).epoch(0))
    assert targets_BC.shape == (24, 3)
    torch.testing.assert_close(targets_BC.sum(1), torch.ones(24))
