"""The teacher of a study: from its card, a file or a module passed from Python, made ready and checked at planning."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kdsearch.errors import SpecError
from kdsearch.files import cache_dir
from kdsearch.study.normalising import widen

if TYPE_CHECKING:
    import torch
    from torch import nn

    from kdsearch.spec.distill_sections import TeacherOptions
    from kdsearch.tasks.base import Task
    from kdsearch.teaching.lessons import Teaching
    from kdsearch.teaching.teachers import Teacher


def plan_teaching(
    named: TeacherOptions | None, task: Task, device: torch.device, module: nn.Module | None
) -> Teaching | None:
    """The study's teacher, its hash, shape and classes checked; a warning if it knows images that shall judge students.

    ``module``: the one of ``teacher: {net: given}``.

    Raises:
        SpecError: it does not fit the task, or ``module`` and what the study says do not go together.
    """
    if module is not None and (named is None or named.net is None):
        raise SpecError("teacher: a module was passed, so the study must say teacher: {net: given}")
    if named is None:
        return None
    from kdsearch.teaching.lessons import Teaching

    return Teaching(_find(named, module, task, device), named.mode, named.views, cache_dir() / "teachers")


def _find(named: TeacherOptions, module: nn.Module | None, task: Task, device: torch.device) -> Teacher:
    from kdsearch.teaching.file_teachers import load_file_teacher

    if named.file is not None:
        return load_file_teacher(named, task, device)
    return _take(named, module, task, device) if named.card is None else _load(named.card, task, device)


def _load(card: Path, task: Task, device: torch.device) -> Teacher:
    from kdsearch.teaching.teachers import load_teacher, warn_of_seen_images

    teacher = load_teacher(card, task, device)
    if not task.generated:  # of real test images that come later nothing is read before the end
        warn_of_seen_images(card, task)
    return teacher


def _take(named: TeacherOptions, module: nn.Module | None, task: Task, device: torch.device) -> Teacher:
    from kdsearch.teaching.teachers import take_teacher

    if module is None:
        raise SpecError(
            "teacher.net: given stands for a module that is passed as kdsearch.run_study(teacher=...); name a card"
        )
    mean, std = task.mean, task.std
    if named.mean is not None and named.std is not None:
        channels = task.image_shape[0]
        mean, std = widen("teacher.mean", named.mean, channels), widen("teacher.std", named.std, channels)
    return take_teacher(module, task.normalised_by(mean, std), device)
