"""What a study's images are normalised by: what the student's weights expect, or else the data's own numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdsearch.errors import SpecError

if TYPE_CHECKING:
    from kdsearch.spec.sections import StudentOptions
    from kdsearch.tasks.base import Task


def normalise_for(student: StudentOptions, task: Task) -> Task:
    """The task as the student reads its images, in training, scoring, export and measurement alike.

    Raises:
        SpecError: ``student.mean`` or ``student.std`` has not one number, nor one a channel.
    """
    if student.mean is None or student.std is None:
        return _as_published(student, task) if student.pretrained else task
    channels = task.image_shape[0]
    return task.normalised_by(
        widen("student.mean", student.mean, channels), widen("student.std", student.std, channels)
    )


def widen(key: str, given: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """One number a channel, of numbers that may be one for all.

    Raises:
        SpecError: they are of another number of channels.
    """
    if len(given) not in (1, channels):
        raise SpecError(
            f"{key} has {len(given)} numbers, the images have {channels} channel(s); give one number a channel, or one "
            "for all"
        )
    return given * channels if len(given) == 1 else given


def _as_published(student: StudentOptions, task: Task) -> Task:
    from kdsearch.models.pretrained import published_normalisation

    return task.normalised_by(*published_normalisation(student, task.image_shape[0]))
