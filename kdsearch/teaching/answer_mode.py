"""Whether a teacher answers at every step or once for stored views, and how long its lessons take."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from kdsearch.teaching.lessons import Lesson
from kdsearch.teaching.teacher_cache import cache_bytes, stored_taps
from kdsearch.training.rehearsal import image_seconds, training_seconds

_CHEAP = 0.1  # a teacher that takes a smaller share of a step may as well answer about fresh views
_DISK_SHARE = 0.5  # the share of the free disk that answers may take, unless the study says teacher.mode: cached
_TIMED = 3
_TRIED = 64  # on how many images the size of answers is measured
_LARGEST_STORED = 16_000.0  # a quarter of what float16 holds: other views may have larger ones


def decide(lesson: Lesson, net: nn.Module, epochs: int, steps: int = _TIMED) -> dict[str, Any]:
    """``mode``, and ``reason`` in words: whether the teacher answers at every step or once for all stored views.

    ``epochs``: of all the study's trainings by this teacher. auto compares times of so many ``steps`` of either net.
    """
    teaching = lesson.teaching
    assert teaching is not None
    if teaching.mode != "auto":
        return {"mode": teaching.mode, "reason": f"the study says teacher.mode: {teaching.mode}"}
    if lesson.options.sampler.name == "superclass":
        return {"mode": "cached", "reason": "sampler: superclass clusters what the teacher has said"}
    timed = time_epochs(lesson, net, steps)
    mode, reason = weigh(lesson, timed, epochs)
    return {"mode": mode, "reason": reason, "epoch_seconds": timed}


def weigh(lesson: Lesson, timed: Mapping[str, float], epochs: int) -> tuple[str, str]:
    """The mode that costs less where both can be had, and why; ``timed``: as ``time_epochs`` gives it."""
    teaching = lesson.teaching
    assert teaching is not None
    largest, size = _try_answers(lesson)
    if not largest < _LARGEST_STORED:
        return "online", f"answers reach {largest:g}, and are stored as float16, which ends at 65504"
    if lesson.is_cached():
        return "cached", "the answers are there already"
    share = timed["teacher"] / (timed["student"] + timed["teacher"])
    if share < _CHEAP:
        return "online", f"the teacher takes {100 * share:.0f} % of a step only, and may see fresh views"
    if epochs <= teaching.views:
        return "online", f"{epochs} epochs in all ask less than {teaching.views} views of every image would"
    free = _free_bytes(teaching.folder)
    if size > _DISK_SHARE * free:
        needed = f"answers would take {size / 1e9:.1f} GB of {free / 1e9:.1f} GB free"
        return "online", f"{needed}; teacher.mode: cached takes them"
    return "cached", (
        f"{teaching.views} views of every image are asked for once, not {epochs} epochs: about "
        f"{(epochs - teaching.views) * timed['teacher']:.0f} s of teaching spared, {size / 1e6:.1f} MB kept"
    )


def time_epochs(lesson: Lesson, net: nn.Module, steps: int) -> dict[str, float]:
    """Seconds of an epoch of the ``student`` alone and of the ``teacher``'s answers, from ``steps`` steps each."""
    assert lesson.teaching is not None
    student = training_seconds(net.to(lesson.device), lesson.task, lesson.options, lesson.device, steps)
    image = image_seconds(lesson.teaching.teacher.net, lesson.task, lesson.device, steps)
    return {"student": student, "teacher": image * len(lesson.task.images("train"))}


def forecast(lesson: Lesson, net: nn.Module, epochs: int, steps: int) -> dict[str, float]:
    """Seconds ``before`` the first training, and of one ``epoch``, as ``decide`` would have it."""
    if lesson.teaching is None:
        student = training_seconds(net.to(lesson.device), lesson.task, lesson.options, lesson.device, steps)
        return {"before": 0.0, "epoch": student}
    decided = decide(lesson, net, epochs, steps)
    timed = decided.get("epoch_seconds") or time_epochs(lesson, net, steps)
    return add_up(decided["mode"], timed, 0 if lesson.is_cached() else lesson.teaching.views)


def add_up(mode: str, timed: Mapping[str, float], views: int) -> dict[str, float]:
    """Seconds ``before`` the first training, and of one ``epoch``, with so many ``views`` still to be asked for."""
    if mode == "online":
        return {"before": 0.0, "epoch": timed["student"] + timed["teacher"]}
    return {"before": views * timed["teacher"], "epoch": timed["student"]}


def _try_answers(lesson: Lesson) -> tuple[float, int]:
    """The largest number that the teacher says of some training images as they are, and the bytes of all answers."""
    assert lesson.teaching is not None
    images_NCHW = lesson.task.images("train").images_NCHW
    logits_BC, tapped = lesson.teaching.teacher.answer(images_NCHW[:_TRIED].to(lesson.device), lesson.teacher_taps())
    tapped = stored_taps(lesson.cache_key(), tapped)
    sizes = [tensor[0].numel() for tensor in tapped.values()]
    size = cache_bytes(len(images_NCHW), lesson.teaching.views, lesson.task.num_classes, sizes)
    return max(float(tensor.abs().max()) for tensor in (logits_BC, *tapped.values())), size


def _free_bytes(folder: Path) -> int:
    """Free space where ``folder`` is or will be."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(there).free
