"""How a student learns from a teacher: what is asked, whether anew at every step or once for stored views, and when.

B: batch, C: classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from kdsearch.data.augment import normalise
from kdsearch.data.clusters import cluster_rows
from kdsearch.data.samplers import ClassBalanced, Sampler, Uniform
from kdsearch.data.seeds import mix_seed
from kdsearch.data.views import ViewBatch, ViewBatches
from kdsearch.errors import SpecError
from kdsearch.losses.rows import unit_rows
from kdsearch.measures.evaluation import evaluating
from kdsearch.progress import Watch, unwatched
from kdsearch.spec.distill_sections import DistillationOptions
from kdsearch.spec.fit import say_closed
from kdsearch.teaching.distillation import Answers, Distillation, Pupil, make_pupil, try_terms
from kdsearch.teaching.taps import Taps, default_embedding, flat_embedding
from kdsearch.teaching.teacher_cache import CacheKey, TeacherCache, is_cached, open_cache
from kdsearch.teaching.term_losses import Signals, pooled_taps, taps_of
from kdsearch.training.loop import History, Setting
from kdsearch.training.net import train_net

if TYPE_CHECKING:
    from kdsearch.tasks.base import Task
    from kdsearch.teaching.teachers import Teacher

_CLUSTERS = 17  # the number of the random stream, which no other part uses
_PROBE = 2  # how many images are sent through both nets to learn the shapes of taps


@dataclass(frozen=True, slots=True)
class Teaching:
    """The study's teacher and how it may be asked; ``folder``: where answers are kept, shared by all runs."""

    teacher: Teacher
    mode: str
    views: int
    folder: Path


@dataclass(frozen=True, slots=True)
class Lesson:
    """All that a training by a teacher needs beside the student. ``mode``: online or cached, once it is decided."""

    task: Task
    teaching: Teaching | None
    options: DistillationOptions
    device: torch.device
    seed: int
    mode: str = "online"

    def student_taps(self, net: nn.Module) -> dict[str, str]:
        """Alias to path of the taps that the terms read in the student."""
        return _named(net, self.options.taps.student, taps_of(self.options.terms))

    def teacher_taps(self) -> dict[str, str]:
        """Alias to path of the taps that the terms, or a superclass sampler, read in the teacher."""
        if self.teaching is None:
            return {}
        aliases = set(taps_of(self.options.terms))
        if self.options.sampler.name == "superclass":
            aliases.add("embedding")
        teacher, inside = self.teaching.teacher, self.options.inside_teacher
        if inside and teacher.gives != "everything":
            raise SpecError(f"teacher: {say_closed(inside, teacher.name)}")
        return _named(teacher.net, self.options.taps.teacher, sorted(aliases))

    def cache_key(self) -> CacheKey:
        """What the stored answers depend on."""
        assert self.teaching is not None
        taps, read = self.teacher_taps(), taps_of(self.options.terms)
        pooled = {*pooled_taps(self.options.terms), *(taps.keys() - set(read))}  # a sampler clusters means, too
        return CacheKey(
            teacher=self.teaching.teacher,
            taps=taps,
            pooled=tuple(sorted(pooled)),
            views=self.teaching.views,
            augmentation=self.options.augment,
            seed=self.seed,
            data_digest=self.task.digest,
        )

    def open_cache(self, watch: Watch = unwatched) -> TeacherCache:
        """The teacher's stored answers; it is asked for them now where they are not there yet."""
        assert self.teaching is not None
        return open_cache(self.teaching.folder, self.cache_key(), self.task.images("train"), watch=watch)

    def is_cached(self) -> bool:
        """Whether the answers are there."""
        return self.teaching is not None and is_cached(self.teaching.folder, self.cache_key())

    def sampler(self, seed: int, cache: TeacherCache | None) -> Sampler:
        """The order of the training images; clusters are those of the teacher's stored answers about first views."""
        chosen, batch_size = self.options.sampler, self.options.batch_size
        images = self.task.images("train")
        if chosen.name == "uniform":
            return Uniform(len(images), batch_size=batch_size, seed=seed)
        if chosen.name == "class_balanced":
            return ClassBalanced(images.labels_N, batch_size=batch_size, k=chosen.k, seed=seed)
        assert cache is not None
        assert chosen.clusters is not None
        cluster_N = _clusters(cache, chosen.clusters, self.seed)
        return ClassBalanced(cluster_N, batch_size=batch_size, k=chosen.k, seed=seed)


_clustered: dict[tuple[Path, int, int], Tensor] = {}  # every training of a study has the same ones


def _clusters(cache: TeacherCache, clusters: int, seed: int) -> Tensor:
    """The cluster of each training image, by the angles between the teacher's embeddings of first views."""
    key = (cache.place, clusters, seed)
    if key not in _clustered:
        parts = (unit_rows(flat_embedding(part)) for part in cache.of_view("embedding", 0))
        _clustered[key] = cluster_rows(torch.cat(list(parts)), clusters, seed=mix_seed(seed, _CLUSTERS))
    return _clustered[key]


def _named(net: nn.Module, named: Mapping[str, str], aliases: Sequence[str]) -> dict[str, str]:
    """Alias to path; what is not named is the embedding."""
    return {alias: named.get(alias) or default_embedding(net) for alias in aliases}


def check_lesson(lesson: Lesson, net: nn.Module) -> None:
    """Tries the taps of both nets on two images, the terms on their shapes, and the sampler.

    Raises:
        SpecError: a tap is wrong, two tensors cannot be compared, or batches are not made of whole groups.
    """
    if lesson.options.sampler.name == "superclass":
        if lesson.teaching is not None and lesson.teaching.mode == "online":
            raise SpecError("sampler: superclass clusters what the teacher has said; set teacher.mode: cached")
        _check_clusters(lesson)
    else:
        lesson.sampler(0, None)
    tried = try_nets(lesson, net.to(lesson.device))
    try_terms(make_pupil(net, lesson.options.terms, tried, 0), lesson.options.terms, tried)


def try_nets(lesson: Lesson, net: nn.Module) -> Signals:
    """What the student ``net`` and the teacher say of two training images, to see what shapes come of them.

    Raises:
        SpecError: a tap is wrong.
    """
    pixels_BCHW = lesson.task.images("train").images_NCHW[:_PROBE].to(lesson.device)
    with torch.no_grad(), evaluating(net), Taps(net, lesson.student_taps(net)) as taps:
        student_BC = net(normalise(pixels_BCHW, lesson.task.mean, lesson.task.std))
        tapped = taps.take()
    teacher_BC = student_BC
    taught: dict[str, Tensor] = {}
    if lesson.teaching is not None:
        teacher_BC, taught = lesson.teaching.teacher.answer(pixels_BCHW, lesson.teacher_taps())
    labels_B = torch.zeros(len(pixels_BCHW), dtype=torch.int64, device=lesson.device)
    return Signals(student_BC, teacher_BC, labels_B, tapped, taught, lesson.options.label_smoothing)


def _check_clusters(lesson: Lesson) -> None:
    """What the superclass sampler would refuse, without the answers that it clusters."""
    chosen, count = lesson.options.sampler, len(lesson.task.images("train"))
    assert chosen.clusters is not None
    if chosen.clusters > count:
        raise SpecError(f"sampler.clusters: {chosen.clusters} of {count} training images; lower it")
    even_N = torch.arange(count) % chosen.clusters
    ClassBalanced(even_N, batch_size=lesson.options.batch_size, k=chosen.k, seed=0)


def give_lesson(lesson: Lesson, net: nn.Module, setting: Setting) -> History:
    """Trains ``net`` by the terms; one record an epoch, with each term's value and share of the gradient."""
    pupil = make_pupil_of(lesson, net.to(lesson.device), setting.seed)
    objective = make_objective(lesson, net, setting.seed)
    return train_net(pupil, lesson.task, lesson.options, setting, objective=objective)


def make_pupil_of(lesson: Lesson, net: nn.Module, seed: int) -> Pupil:
    """The net with what the lesson's terms learn beside it."""
    return make_pupil(net, lesson.options.terms, try_nets(lesson, net), seed)


def make_objective(lesson: Lesson, net: nn.Module, seed: int) -> Distillation:
    """What ``train_net`` lowers: the lesson's terms, on its batches."""
    teaching, options = lesson.teaching, lesson.options
    cache = lesson.open_cache() if lesson.mode == "cached" else None
    batches = ViewBatches(
        lesson.task.images("train"),
        num_classes=lesson.task.num_classes,
        views=None if cache is None else cache.stored,
        sampler=lesson.sampler(seed, cache),
        seed=seed,
        mean=lesson.task.mean,
        std=lesson.task.std,
        augmentation=options.augment,
        device=lesson.device,
    )
    asked = options.asks_teacher and teaching is not None
    identity = f"{teaching.teacher.identity} {lesson.mode} {teaching.views}" if asked and teaching else "no teacher"
    return Distillation(
        options.terms,
        batches,
        answers=_answers(lesson, cache),
        student_taps=lesson.student_taps(net),
        smoothing=options.label_smoothing,
        identity=identity,
        label_loss=lesson.task.loss,
    )


def _answers(lesson: Lesson, cache: TeacherCache | None) -> Answers:
    """What the teacher says of a batch: from the file, or asked now."""
    taps = lesson.teacher_taps()

    def read(batch: ViewBatch) -> tuple[Tensor, Mapping[str, Tensor]]:
        assert cache is not None
        assert batch.views_B is not None
        return cache.signals(batch.rows_B, batch.views_B)

    def ask(batch: ViewBatch) -> tuple[Tensor, Mapping[str, Tensor]]:
        assert lesson.teaching is not None
        return lesson.teaching.teacher.answer(batch.pixels_BCHW, taps)

    return ask if cache is None else read
