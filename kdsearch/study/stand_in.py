"""A task of noise in place of data that are not there yet: timing does not depend on what an image shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdsearch import registry
from kdsearch.errors import DataError

if TYPE_CHECKING:
    from kdsearch.spec.study_spec import StudySpec
    from kdsearch.tasks.base import Task


def stand_in_task(spec: StudySpec, error: DataError) -> Task:
    """The study's task with random images, to time steps on where the data are not there yet.

    Raises:
        DataError: ``error``, where the study does not say enough to make them, such as ``task.image_size``.
    """
    from kdsearch.spec.teacher_card import read_card
    from kdsearch.spec.teacher_file import read_file_facts

    kind: type[Task] = registry.find(spec.task.package, spec.task.name)
    named = spec.teacher
    classes = None if named is None or named.card is None else read_card(named.card).classes
    if named is not None and named.file is not None:
        classes = read_file_facts(named).classes
    task = kind.stand_in(spec.task.options, classes)
    if task is None:
        raise error
    return task
