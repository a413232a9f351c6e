"""Banks as data sets, real test images that come late, and noise that stands in for images."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from kdsearch.data.generated import bank_dataset, draw_smooth, label_part, match_labels, open_bank, placeholder_dataset
from kdsearch.data.stored_bank import StoredPart
from kdsearch.errors import DataError
from kdsearch.spec.task_sections import TaskOptions
from tests.banks import bars_part, write_bank


def opened(folder, **options):
    return open_bank(TaskOptions(bank=folder, **options), cache_dir=folder / "cache", seed=5)


def test_labels_are_the_teachers_likeliest_class_and_targets_its_probabilities():
    part = StoredPart(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([[2.0, 0, 0], [0, 0, 1]]).half())
    found = label_part(part)
    assert found.labels_N.tolist() == [0, 2]
    e = np.e
    expected = [[e**2 / (e**2 + 2), 1 / (e**2 + 2), 1 / (e**2 + 2)], [1 / (2 + e), 1 / (2 + e), e / (2 + e)]]
    torch.testing.assert_close(found.targets_NC, torch.tensor(expected), rtol=1e-5, atol=0)


def test_a_bank_is_a_data_set_in_its_three_parts(tmp_path):
    bank = write_bank(tmp_path)
    found = opened(tmp_path)
    assert [len(part) for part in (found.train, found.validation, found.test)] == [96, 60, 60]
    assert (found.classes, found.mean, found.std) == (bank.classes, bank.mean, bank.std)
    assert torch.equal(found.train.images_NCHW, bars_part(96, 0).images_NCHW)
    assert found.name == "images generated from bars"
    assert found.notes[0].startswith(
        "no camera took these images: 96 for training, 60 for validation and 60 for the end"
    )
    assert "from bars (seed 3), whose answers are their labels" in found.notes[0]
    assert found.digest == bank.digest
    assert opened(tmp_path).digest == bank.digest


def test_the_validation_part_is_shuffled_so_that_its_first_images_are_a_sample(tmp_path):
    write_bank(tmp_path)
    shown, kept = opened(tmp_path).validation, bars_part(60, 1)
    assert not torch.equal(shown.images_NCHW, kept.images_NCHW)
    assert sorted(image.sum().item() for image in shown.images_NCHW) == sorted(
        image.sum().item() for image in kept.images_NCHW
    )


def test_a_bank_can_be_thinned_out_and_is_then_other_data(tmp_path):
    write_bank(tmp_path)
    thin = opened(tmp_path, train_images=30)
    assert len(thin.train) == len(thin.train.targets_NC) == 30
    assert thin.train.labels_N.bincount().tolist() == [10, 10, 10]
    assert thin.digest != opened(tmp_path).digest
    assert "30 for training" in thin.notes[0]


def test_a_class_that_the_teacher_sees_in_no_image_is_told(tmp_path, caplog):
    part = bars_part(96, 0)
    lost = StoredPart(part.images_NCHW, torch.where(torch.arange(3) == 2, -9.0, part.logits_NC.float()).half())
    write_bank(tmp_path, parts={"train": lost, "validation": bars_part(60, 1), "test": bars_part(60, 2)})
    with caplog.at_level(logging.WARNING):
        found = opened(tmp_path)
    assert "bars takes none of the training images for 1 of its classes" in caplog.text
    assert found.notes[-1] in caplog.text


def write_real(path, images=(6, 16, 16), classes=None, **parts):
    labels = np.arange(images[0]) % 3
    arrays = {"x_test": np.full(images, 7, np.uint8), "y_test": labels} | parts
    np.savez(path, **arrays, **({} if classes is None else {"classes": np.array(classes)}))


def test_real_test_images_are_not_opened_before_somebody_asks(tmp_path):
    write_bank(tmp_path)
    real = tmp_path / "real.npz"
    found = opened(tmp_path, test={"npz": real})  # which is not there yet
    assert "the test images are real ones of" in found.notes[1]
    assert "for the end" not in found.notes[0]
    write_real(real)
    images = found.late_test.read()
    assert images.images_NCHW.shape == (6, 1, 8, 8)  # cut to what the teacher reads
    assert images.labels_N.tolist() == [0, 1, 2, 0, 1, 2]
    assert images.targets_NC is None
    real.unlink()
    assert found.late_test.read() is images  # read once


def test_real_test_images_are_the_test_part_that_a_study_of_those_data_would_have(tmp_path):
    write_bank(tmp_path)
    found = opened(tmp_path, test={"dataset": "mnist5k"})
    with pytest.raises(DataError, match=r"task.test: mnist5k: holds class '0', the teacher knows \|, -,  ; put images"):
        found.late_test.read()


@pytest.mark.parametrize(
    ("names", "classes", "expected"),
    [
        (None, ("a", "b", "c"), [2, 0]),
        (("c", "b", "a"), ("a", "b", "c"), [0, 2]),
        (("cat", "dog", "cow"), ("0", "1", "2"), [2, 0]),  # a teacher whose classes have numbers only
        (("a", "b", "c"), ("c", "x", "b", "a"), [0, 3]),
    ],
)
def test_labels_of_real_images_are_found_among_the_teachers_classes(names, classes, expected):
    assert match_labels(torch.tensor([2, 0]), names, classes, "real").tolist() == expected


def test_classes_that_the_teacher_does_not_know_are_named():
    with pytest.raises(DataError, match=r"task.test: real: holds label 3, the teacher has the 3 classes 0..2; put"):
        match_labels(torch.tensor([0, 3]), None, ("a", "b", "c"), "real")
    with pytest.raises(DataError, match=r"task.test: real: holds class 'd', the teacher knows a, b; put images of"):
        match_labels(torch.tensor([0, 1]), ("a", "d"), ("a", "b"), "real")


def test_real_images_of_another_shape_than_the_teacher_reads_are_refused(tmp_path):
    tall = {part: torch.zeros(30, 1, 6, 9, dtype=torch.uint8) for part in ("train", "validation", "test")}
    logits_NC = torch.eye(3)[torch.arange(30) % 3].half()
    bank = write_bank(tmp_path, parts={part: StoredPart(pixels, logits_NC) for part, pixels in tall.items()})
    write_real(tmp_path / "real.npz")
    options = TaskOptions(bank=tmp_path, test={"npz": tmp_path / "real.npz"})
    found = bank_dataset(bank, options, cache_dir=tmp_path)
    with pytest.raises(DataError, match=r"its images are \(1, 16, 16\) .*, the teacher reads \(1, 6, 9\); put images"):
        found.late_test.read()


def test_noise_that_stands_in_is_smooth_and_about_as_bright_as_images():
    images_NCHW = draw_smooth(500, (3, 32, 32), (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), seed=0).float() / 255
    assert images_NCHW.shape == (500, 3, 32, 32)
    assert float(images_NCHW.mean()) == pytest.approx(0.5, abs=0.02)
    assert 0.08 < float(images_NCHW.std()) < 0.2  # less than of noise, as neighbours are means of what was drawn
    steps = (images_NCHW[..., 1:] - images_NCHW[..., :-1]).abs().mean()
    assert float(steps) < 0.5 * float(images_NCHW.std())  # of noise without neighbours it is 1.1 times
    assert len(torch.unique(images_NCHW.flatten(1), dim=0)) == 500


def test_many_images_of_noise_take_next_to_no_memory():
    images_NCHW = draw_smooth(50_000, (3, 224, 224), (0.5,), (0.2,), seed=0)
    assert images_NCHW.untyped_storage().nbytes() < 50e6  # copies would be 7.5 GB


def test_placeholders_have_the_counts_and_all_classes():
    facts = {"shape": (1, 8, 8), "classes": ("a", "b", "c"), "mean": (0.3,), "std": (0.3,)}
    found = placeholder_dataset("noise", **facts, counts=(30, 20, 10), digest="x")
    assert [len(part) for part in (found.train, found.validation, found.test)] == [30, 20, 10]
    assert found.train.labels_N.bincount().tolist() == [10, 10, 10]
    assert not torch.equal(found.train.images_NCHW[:10], found.validation.images_NCHW[:10])
