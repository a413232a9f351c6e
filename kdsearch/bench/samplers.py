"""What the samplers of batches make of an epoch: how many images it shows, how often, and what drawing it costs."""

from __future__ import annotations

import time
from typing import Any

import torch

from kdsearch.data.clusters import cluster_rows
from kdsearch.data.samplers import ClassBalanced, Sampler, Uniform
from kdsearch.errors import SpecError

_EMBEDDING = 16  # how many numbers the embedding of an image has
_RATIO = 100  # how many times as many images the first class has as the last, where classes are unequal


def run(
    *, images: int = 50_000, classes: int = 100, batch_size: int = 64, k: int = 4, epochs: int = 3
) -> dict[str, Any]:
    """``cases``: of each sampler the least coverage of an epoch (0..1), repeated images, and ms an epoch.

    Labels are equally many in each class, or fall exponentially from class to class (a long tail); clusters are those
    of random embeddings.

    Raises:
        SpecError: fewer images than 100 a class, or no epoch.
    """
    if images < 100 * classes or epochs < 1:
        raise SpecError(f"images must be 100 a class or more, epochs 1 or more (got {images}, {classes}, {epochs})")
    generator = torch.Generator().manual_seed(0)
    even_N, tail_N = torch.arange(images) % classes, _long_tail(images, classes)
    cluster_N = cluster_rows(torch.rand(images, _EMBEDDING, generator=generator), classes, seed=0)
    samplers: dict[str, Sampler] = {"uniform": Uniform(images, batch_size=batch_size, seed=0)}
    for name, label_N in (("class_balanced", even_N), ("class_balanced, long tail", tail_N), ("superclass", cluster_N)):
        samplers[name] = ClassBalanced(label_N, batch_size=batch_size, k=k, seed=0)
    return {"cases": [{"sampler": name, **_measure(sampler, images, epochs)} for name, sampler in samplers.items()]}


def _long_tail(images: int, classes: int) -> torch.Tensor:
    share_C = torch.logspace(0, -1, classes, base=_RATIO, dtype=torch.float64)
    size_C = (share_C / share_C.sum() * images).long().clamp_min(1)
    size_C[0] += images - int(size_C.sum())
    return torch.repeat_interleave(torch.arange(classes), size_C)


def _measure(sampler: Sampler, images: int, epochs: int) -> dict[str, Any]:
    coverages, repeats, spent = [], 0, []
    for epoch in range(epochs):
        began = time.process_time()
        shown = torch.cat(list(sampler.batches(epoch)))
        spent.append(1e3 * (time.process_time() - began))
        distinct = len(shown.unique())
        repeats += len(shown) - distinct
        coverages.append(distinct / images)
    return {"coverage": round(min(coverages), 5), "repeats": repeats, "epoch_ms": round(sorted(spent)[epochs // 2], 1)}
