"""A task of noise where the data are not there yet."""

from __future__ import annotations

import pytest

from kdsearch.errors import DataError
from kdsearch.study.stand_in import stand_in_task
from tests.tiny import tiny_spec

MISSING = DataError("gone.npz: file not found")


def test_it_has_the_images_and_classes_that_the_study_names():
    spec = tiny_spec("task={npz: gone.npz, image_size: 12, channels: 1, train_images: 90, validation_share: 0.1}")
    task = stand_in_task(spec.model_copy(update={"teacher": None}), MISSING)
    assert task.image_shape == (1, 12, 12)
    assert len(task.images("train")) == 90
    assert len(task.images("validation")) == 10  # a tenth of all


def test_where_the_study_does_not_say_enough_the_reason_is_that_the_data_are_missing():
    with pytest.raises(DataError, match="file not found"):
        stand_in_task(tiny_spec("task={npz: gone.npz}"), MISSING)
