"""Which way of learning from a teacher gives the best student: one student, one recipe, the same seeds for all."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch

from kdsearch import __version__
from kdsearch.bench.base_torchdistill import train_with_torchdistill
from kdsearch.data.datasets import load_dataset
from kdsearch.errors import SpecError
from kdsearch.files import cache_dir, read_json, save_json
from kdsearch.measures.intervals import paired_interval
from kdsearch.models.zoo import make_net
from kdsearch.spec.distill_sections import DistillationOptions
from kdsearch.spec.errors import unknown
from kdsearch.spec.metric import ACCURACY
from kdsearch.spec.sections import Augmentation, StudentOptions
from kdsearch.spec.task_sections import TaskOptions
from kdsearch.strategies.cckd import CorrelationCongruence
from kdsearch.tasks.classification import Classification
from kdsearch.teaching.lessons import Lesson, Teaching, give_lesson
from kdsearch.teaching.teachers import load_teacher
from kdsearch.training.initialise import initialise
from kdsearch.training.loop import Setting

_KD: Mapping[str, Any] = {"weight": 0.9, "temperature": 4}
_BALANCED: Mapping[str, Any] = {"balance": "gradient", "share": 0.3}
_GROUPS: Mapping[str, Any] = {"name": "class_balanced", "k": 4}
RECIPES: Mapping[str, Mapping[str, Any]] = {
    "CE": {"terms": [{"ce": 1.0}]},
    "KD": {"terms": [{"ce": 0.1}, {"kd": _KD}]},
    "KD, standardized": {"terms": [{"ce": 0.1}, {"kd": {"weight": 9.0, "temperature": 2, "standardize": True}}]},
    "KD + CC": {"terms": [{"ce": 0.1}, {"kd": _KD}, {"cc": _BALANCED}]},
    "KD + CC, groups of 4": {"terms": [{"ce": 0.1}, {"kd": _KD}, {"cc": _BALANCED}], "sampler": _GROUPS},
    "DIST": {"terms": [{"ce": 1.0}, {"dist": {"weight": 16, "beta": 2, "gamma": 2, "temperature": 4}}]},
    "DKD": {"terms": [{"ce": 1.0}, {"dkd": {"alpha": 1.0, "beta": 8.0, "temperature": 4}}]},
    "cckd-paper": {"preset": "cckd-paper"},
    "torchdistill CCKD": {"terms": [{"kd": {"weight": 1.0, "temperature": 1}}]},
}
"""Row to terms and sampler. To the last one's KD, of torchdistill's sample configuration, its own CC is added."""
THEIRS = "torchdistill CCKD"


def run(  # noqa: PLR0913 - the situation that is measured
    *,
    teacher: str = "resnet20_mnist5k",
    npz: str | None = None,
    net: str = "resnet20",
    width: float = 0.25,
    train_images: int = 1000,
    epochs: int = 30,
    seeds: int = 3,
    learning_rate: float = 0.05,
    flip: bool = False,
    mode: Literal["online", "cached"] = "cached",
    views: int = 8,
    folder: str = "runs/recipes",
    only: list[str] | None = None,
    on_row: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """``rows``: recipe, test accuracy in percent (mean and standard deviation over seeds), gains over CE and KD.

    Gains are means of the differences at the same seed, with their 95% intervals; which recipe is best is for
    ``validation`` to say. ``npz``: a data set in place of mnist5k. CE sees fresh views; all that ask the teacher see
    the same stored ones unless ``mode`` is online. Each finished training leaves a file in ``folder``, which is read
    where it is there.
    """
    task_options = TaskOptions(npz=npz, train_images=train_images) if npz else _mnist(train_images)
    task = Classification(task_options, load_dataset(task_options, cache_dir=cache_dir(), seed=0))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    teaching = Teaching(load_teacher(teacher, task, device), mode, views, cache_dir() / "teachers")
    student = StudentOptions(net=net, width=width)
    shared = {"epochs": epochs, "learning_rate": learning_rate, "augment": Augmentation(flip=flip)}
    if seeds < 1 or epochs < 1:
        raise SpecError(f"seeds and epochs must be at least 1 (got {seeds} and {epochs})")
    if wrong := [name for name in only or () if name not in RECIPES]:
        raise SpecError(f"only: {unknown('recipe', wrong[0], list(RECIPES))}")
    rows: list[dict[str, Any]] = []
    for name in RECIPES if only is None else only:
        kind = CorrelationCongruence.Options if "preset" in RECIPES[name] else DistillationOptions
        options = kind.model_validate({**RECIPES[name], **shared})
        lesson = Lesson(task, teaching, options, device, 0)
        found = [_train(name, lesson, student, seed, Path(folder)) for seed in range(seeds)]
        rows.append(_row(name, found, rows))
        if on_row is not None:
            on_row(rows[-1])
    about = {"teacher": teaching.teacher.name, "data": task.name, "student": f"{net} x {width:g}"}
    return {**about, "train_images": train_images, "epochs": epochs, "seeds": seeds, "rows": rows}


def _mnist(train_images: int) -> TaskOptions:
    return TaskOptions(dataset="mnist5k", train_images=train_images)


def _train(name: str, lesson: Lesson, student: StudentOptions, seed: int, folder: Path) -> dict[str, float]:
    """Validation and test accuracy (0..1) of one training, read from its file where it is finished."""
    assert lesson.teaching is not None
    code = __version__, torch.__version__
    made_of = (*code, name, lesson.options.model_dump_json(), student.model_dump_json(), seed, lesson.task.digest)
    about = (*made_of, lesson.teaching.teacher.identity, lesson.teaching.mode, lesson.teaching.views)
    path = folder / f"{hashlib.sha256(repr(about).encode()).hexdigest()[:16]}.json"
    if path.exists():
        read: dict[str, float] = read_json(path)
        return read
    channels = lesson.task.image_shape[0]
    model = make_net(student, num_classes=lesson.task.num_classes, in_channels=channels)
    initialise(model, seed)
    mode = lesson.teaching.mode if lesson.options.asks_teacher else "online"
    lesson, setting = replace(lesson, mode=mode), Setting(seed, lesson.device, note=name)
    if name == THEIRS:
        train_with_torchdistill(lesson, model, setting)
    else:
        give_lesson(lesson, model, setting)
    found = {
        part: lesson.task.evaluate(model, part, device=lesson.device)[lesson.task.metric.name]
        for part in ("validation", "test")
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_json(path, {"recipe": name, "seed": seed, **found})
    return found


def _row(name: str, found: Sequence[Mapping[str, float]], before: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The recipe's accuracies in percent, and how many points its mean is above those of CE and KD."""
    accuracies = [100 * each["test"] for each in found]
    earlier = {row["recipe"]: row["tests"] for row in before}
    return {
        "recipe": name,
        ACCURACY.name: round(statistics.fmean(accuracies), 2),
        "spread": round(statistics.stdev(accuracies), 2) if len(accuracies) > 1 else None,
        "over_ce": _gain(accuracies, earlier.get("CE")),
        "over_kd": _gain(accuracies, earlier.get("KD")),
        "validation": round(100 * statistics.fmean(each["validation"] for each in found), 2),
        "tests": accuracies,
    }


def _gain(own: Sequence[float], other: Sequence[float] | None) -> str | None:
    """Mean difference at the same seed in points, and its 95% interval or that there is none."""
    if other is None:
        return None
    gaps = [mine - theirs for mine, theirs in zip(own, other, strict=True)]
    gain = f"{statistics.fmean(gaps):+.2f}"
    if len(gaps) < 2:
        return f"{gain} (one seed, no interval)"
    found = paired_interval(gaps)
    return f"{gain} ({found.low:+.2f} to {found.high:+.2f})"
