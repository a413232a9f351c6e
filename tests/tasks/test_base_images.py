"""What tasks share whose images lie in memory."""

from __future__ import annotations

import pytest
import torch

from kdsearch.spec.metric import Metric
from kdsearch.spec.sections import Augmentation, Recipe
from kdsearch.spec.task_sections import TaskOptions
from kdsearch.tasks.base_images import ImageTask
from tests.toys import CPU, make_task


class Darkness(ImageTask):
    """How dark an image is; a net is measured by how far it is off."""

    metric = Metric("off", better="lower")
    output_meaning = "darkness"

    def loss(self, outputs, labels, smoothing):  # noqa: ARG002
        return (outputs[:, 0] - labels).square().mean()

    @classmethod
    def rate_each(cls, outputs, labels):
        return (outputs[:, 0] - labels).abs()

    @classmethod
    def judge_each(cls, outputs, label_B):
        off_B = (outputs[:, 0] - label_B).abs()
        return off_B, off_B.square().double()


def darkness() -> Darkness:
    return Darkness(TaskOptions(dataset="mnist5k"), make_task().dataset)


class Always(torch.nn.Module):
    """Says 1 of every image."""

    def forward(self, image_BCHW):
        return torch.ones(len(image_BCHW), 1)


def test_a_nets_figures_are_means_over_the_images_with_their_error():
    task = darkness()
    found = task.evaluate(Always(), "validation", device=CPU)
    off = (1.0 - task.images("validation").labels_N).abs().double()
    assert found["off"] == pytest.approx(float(off.mean()))
    assert found["loss"] == pytest.approx(float(off.square().mean()))
    assert found["off_stderr"] == pytest.approx(float(off.std(unbiased=False)) / 60**0.5)
    assert found["images"] == 60
    assert task.evaluate(Always(), "validation", device=CPU, limit=10)["images"] == 10


def test_the_test_part_cannot_be_read_by_a_search():
    hidden = darkness().without_test()
    with pytest.raises(RuntimeError, match="the test part is read once"):
        hidden.images("test")
    assert len(hidden.dataset.test) == 0
    assert len(darkness().images("test")) == 60


def test_calibration_images_are_training_images_normalised_the_same_for_a_seed():
    task = darkness()
    first, again, other = (task.calibration(8, seed=seed, device=CPU) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    pixels = (first * 0.3 + 0.3) * 255
    train = task.images("train").images_NCHW.float()
    assert all(bool(((train - image).abs() < 0.01).flatten(1).all(1).any()) for image in pixels)
    assert len(task.calibration(1000, seed=0, device=CPU)) == 96


def test_another_normalisation_changes_the_copy_alone():
    task = darkness()
    other = task.normalised_by((0.0,), (1.0,))
    assert (other.mean, other.std, task.mean) == ((0.0,), (1.0,), (0.3,))
    batch, _ = next(
        iter(other.train_batches(Recipe(batch_size=8, augment=Augmentation(flip=False, crop=0)), 0, CPU).epoch(0))
    )
    assert 0 <= float(batch.min()) <= float(batch.max()) <= 1


@pytest.mark.parametrize(("count", "places"), [(3, [0, 20, 40]), (100, list(range(60)))])
def test_varied_images_are_evenly_spaced(count, places):
    assert darkness().pick_varied("validation", count) == places


def test_a_stand_in_has_the_size_channels_and_share_that_are_asked_for():
    options = TaskOptions(npz="gone.npz", image_size=8, channels=1, train_images=30, validation_share=0.25)
    task = Darkness.stand_in(options, ("a", "b"))
    assert task.image_shape == (1, 8, 8)
    assert (len(task.images("train")), len(task.images("validation"))) == (30, 10)
    assert Darkness.stand_in(TaskOptions(npz="gone.npz"), None) is None
