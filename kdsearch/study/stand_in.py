"""A task of noise in place of data that are not there yet: timing does not depend on what an image shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdsearch.errors import DataError

if TYPE_CHECKING:
    from kdsearch.spec.study_spec import StudySpec
    from kdsearch.tasks.base import Task

_IMAGES = 1024
_CLASSES = 1000


def stand_in_task(spec: StudySpec, error: DataError) -> Task:
    """A task of a random image, as often as the study says, to time steps on where the data are not there yet.

    The training part has ``task.train_images`` images, or 1,024; the validation part its share beside them.

    Raises:
        DataError: ``error``, where the study does not say ``task.image_size``.
    """
    import torch

    from kdsearch.data.datasets import Dataset
    from kdsearch.data.images import ImageSet
    from kdsearch.spec.teacher_card import read_card
    from kdsearch.tasks.classification import Classification

    side = spec.task.image_size
    if side is None:
        raise error
    channels = spec.task.channels or 3
    random = torch.Generator().manual_seed(0)
    known = read_card(spec.teacher.card).classes if spec.teacher is not None else _CLASSES
    classes = known if isinstance(known, tuple) else tuple(f"class {at}" for at in range(known or _CLASSES))
    image_BCHW = torch.randint(0, 256, (1, channels, side, side), dtype=torch.uint8, generator=random)

    def part(count: int) -> ImageSet:
        labels_N = torch.randint(0, len(classes), (count,), generator=random)
        return ImageSet(image_BCHW.expand(count, -1, -1, -1), labels_N)  # no memory but that of one image

    count, share = spec.task.train_images or _IMAGES, spec.task.validation_share
    train, validation = part(count), part(max(1, round(count * share / (1 - share))))
    statistics = (0.5,) * channels, (0.25,) * channels
    return Classification(
        spec.task, Dataset("random", train, validation, validation, classes, *statistics, digest="random")
    )
