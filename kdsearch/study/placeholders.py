"""A study without data before its images are generated: a task of smooth noise, of the shape that its teacher reads."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kdsearch.spec.task_sections import TaskOptions

if TYPE_CHECKING:
    from kdsearch.spec.distill_sections import TeacherOptions
    from kdsearch.spec.study_spec import StudySpec
    from kdsearch.tasks.base import Task


@dataclass(frozen=True, slots=True)
class TeacherInput:
    """What a teacher reads and answers: shape of an image, names of the classes, normalisation of pixels in 0..1."""

    name: str
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]


def read_input(named: TeacherOptions) -> TeacherInput:
    """What the teacher's card or manifest says of its input, or what the study says of a module's.

    Raises:
        SpecError: there is no such card or file, or the study has another number of means than channels.
    """
    from kdsearch.spec.teacher_card import read_card
    from kdsearch.spec.teacher_file import read_file_facts
    from kdsearch.study.normalising import widen

    if named.file is not None:
        facts = read_file_facts(named)
        return TeacherInput(named.file.stem, facts.shape, _name(facts.classes), facts.data_mean, facts.data_std)
    if named.card is not None:
        card = read_card(named.card)
        assert card.input is not None  # a card with weights, as a study's has, says all of it
        assert card.classes is not None
        assert card.mean is not None
        assert card.std is not None
        return TeacherInput(card.name, card.input.shape, _name(card.classes), card.mean, card.std)
    assert named.shape is not None  # what find_misfits asks for
    assert named.classes is not None
    assert named.mean is not None
    assert named.std is not None
    channels = named.shape[0]
    mean, std = widen("teacher.mean", named.mean, channels), widen("teacher.std", named.std, channels)
    return TeacherInput("the module that was passed", named.shape, _name(named.classes), mean, std)


def _name(classes: tuple[str, ...] | int) -> tuple[str, ...]:
    return classes if isinstance(classes, tuple) else tuple(str(number) for number in range(classes))


def placeholder_task(spec: StudySpec) -> Task:
    """The task with as much smooth noise as there will be images: to plan on and to time, not to learn from.

    Its digest stands for the images that are to be generated; the teacher is known by a digest of its own.
    """
    from kdsearch.data.generated import placeholder_dataset
    from kdsearch.spec.terms import number

    options = spec.task.options
    assert isinstance(options, TaskOptions)
    assert options.synthesis is not None
    assert spec.teacher is not None
    read, synthesis = read_input(spec.teacher), options.synthesis
    told = repr((synthesis.model_dump_json(), spec.seed, read.shape, read.classes, read.mean, read.std))
    dataset = placeholder_dataset(
        f"images to be generated from {read.name}",
        shape=read.shape,
        classes=read.classes,
        mean=read.mean,
        std=read.std,
        counts=(round(number(synthesis.bank)), synthesis.probe, synthesis.test),
        digest=hashlib.sha256(told.encode()).hexdigest(),
    )
    kind: Any = spec.task.find()
    made: Task = kind(options, dataset)
    made.placeholder = True
    return made
