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
    channels = task.image_shape[0]
    if student.mean is None or student.std is None:
        return _as_published(student, task) if student.pretrained else task
    for key, given in (("mean", student.mean), ("std", student.std)):
        if len(given) not in (1, channels):
            raise SpecError(
                f"student.{key} has {len(given)} numbers, the images have {channels} channel(s); give one number a "
                "channel, or one for all"
            )
    mean, std = (given * channels if len(given) == 1 else given for given in (student.mean, student.std))
    return task.normalised_by(mean, std)


def _as_published(student: StudentOptions, task: Task) -> Task:
    from kdsearch.models.pretrained import published_normalisation

    return task.normalised_by(*published_normalisation(student, task.image_shape[0]))
