"""Which images make up each batch of an epoch; whatever compares the images of a batch depends on it.

N: images, B: images of a batch, K: images of one class that stand together, M: batches, G: groups of a batch (B / K),
C: classes, D: dimensions of an embedding.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kdsearch.data.seeds import mix_seed
from kdsearch.errors import DataError, SpecError

_log = logging.getLogger(__name__)
_LARGE_GROUP = 8  # images of one class, from which on CCKD found its students worse than with uniform batches
_FEW_GROUPS = 8

Ints = NDArray[np.int64]


class Sampler(ABC):
    """Batches of rows, a pure function of (seed, epoch); ``len()`` is this rank's batches of an epoch.

    Of each ``world`` batches that follow each other, rank r is given the r-th, so the ranks' batches are disjoint and
    equally many. What is left for the last batch is divided evenly; if that gives a rank fewer than two images, which
    have no batch statistics and no pairs, it waits an epoch.

    Raises:
        DataError: there are fewer images than one batch a rank takes.
        ValueError: the rank is not one of ``world``, or a batch would hold fewer than two images.
    """

    def __init__(self, count: int, *, batch_size: int, seed: int, rank: int = 0, world: int = 1) -> None:
        if not 0 <= rank < world:
            raise ValueError(f"rank {rank} is not one of {world} (0..{world - 1})")
        if batch_size < 2:
            raise ValueError(f"a batch takes at least 2 images, got batch_size {batch_size}")
        if count < batch_size * world:
            together = f"{world} ranks take {batch_size} each" if world > 1 else f"a batch takes {batch_size}"
            raise DataError(
                f"the training part has {count} images, {together}; lower batch_size to {count // world} or less"
            )
        self.batch_size = batch_size
        self._count, self._seed, self._rank, self._world = count, seed, rank, world
        self._whole = count // (batch_size * world)  # full batches of a rank

    def __len__(self) -> int:
        rest = self._count - self._whole * self.batch_size * self._world
        return self._whole + (rest >= 2 * self._world)

    def batches(self, epoch: int) -> list[Tensor]:
        """Rows of each batch of this rank, int64; only the last one may be shorter than ``batch_size``."""
        order_N = self.order(epoch)
        full = self._whole * self.batch_size * self._world
        mine = order_N[:full].view(self._whole, self._world, self.batch_size)[:, self._rank]
        last = [order_N[full:].tensor_split(self._world)[self._rank]] if len(self) > self._whole else []
        return [*mine.unbind(), *last]

    @abstractmethod
    def order(self, epoch: int) -> Tensor:
        """Every row once, int64; each ``batch_size`` rows that follow each other are a batch of all ranks together."""


class Uniform(Sampler):
    """Images in random order, the same order as ``Batches``."""

    def order(self, epoch: int) -> Tensor:
        generator = torch.Generator().manual_seed(mix_seed(self._seed, epoch))
        return torch.randperm(self._count, generator=generator)


class ClassBalanced(Sampler):
    """Batches of groups of ``k`` images of one class, the classes as different as their sizes allow (CCKD's CUR).

    Peng et al. 2019. Every batch holds a class's even share of the groups, rounded down or up at random, so
    a class is twice in a batch only if it has more groups than there are batches. Classes of fewer than ``k`` images
    left, and groups too few for a batch, fill the last batches, class by class. The paper leaves open what happens
    when classes run out; drawing with replacement, the usual answer, shows a part of the images only.

    Raises:
        SpecError: a batch is not made of whole groups.
    """

    def __init__(self, labels_N: Tensor, *, batch_size: int, k: int, seed: int, rank: int = 0, world: int = 1) -> None:
        super().__init__(len(labels_N), batch_size=batch_size, seed=seed, rank=rank, world=world)
        if k < 1 or batch_size % k:
            fitting = ", ".join(str(size) for size in range(1, batch_size + 1) if batch_size % size == 0)
            raise SpecError(f"a batch of {batch_size} images is not made of groups of k = {k}; k may be {fitting}")
        self.k = k
        self._class_N: Ints = np.unique(labels_N.cpu().numpy(), return_inverse=True)[1].reshape(-1).astype(np.int64)
        self._sizes_C: Ints = np.bincount(self._class_N)
        _advise(k, batch_size // k, classes=len(self._sizes_C))

    def order(self, epoch: int) -> Tensor:
        rng = np.random.default_rng(mix_seed(self._seed, epoch))
        rank_C = rng.permutation(len(self._sizes_C))  # the classes in random order, which the last batches keep
        sizes_C = np.empty_like(self._sizes_C)
        sizes_C[rank_C] = self._sizes_C
        shuffled_N = rng.permutation(self._count)
        by_class_N = shuffled_N[np.argsort(rank_C[self._class_N[shuffled_N]], kind="stable")]
        class_MG = _schedule(sizes_C // self.k, self.batch_size // self.k, rng)
        place = _places(class_MG.reshape(-1), sizes_C, self.k)
        left_N = np.ones(self._count, dtype=bool)
        left_N[place] = False
        return torch.from_numpy(np.concatenate([by_class_N[place], by_class_N[left_N]]))


def _schedule(groups_C: Ints, per_batch: int, rng: np.random.Generator) -> Ints:
    """The class of every group of the full batches, M x G; a class's groups are spread over them evenly, at random.

    A batch takes the whole part of each class's groups over the batches to come, and its fraction is the chance of one
    more (systematic sampling in random order, Madow 1949: fractions that add up to n give exactly n). What is left then
    divides among the rest likewise: no batch lacks a class that an even division gives it, and a rare class does not
    gather at one end of the epoch, as it would in draws without replacement.
    """
    batches = int(groups_C.sum()) // per_batch
    left_C = groups_C.copy()
    for _ in range(int(groups_C.sum()) - batches * per_batch):
        left_C[np.argmax(left_C + rng.random(len(left_C)))] -= 1  # the largest classes can best spare a group
    class_MG = np.empty((batches, per_batch), dtype=np.int64)
    for number in range(batches):
        to_come = batches - number
        share_C, rest_C = np.divmod(left_C, to_come)
        mixed_C = rng.permutation(len(left_C))
        marks = np.arange(rng.integers(to_come), rest_C.sum(), to_come)
        share_C[mixed_C[rest_C[mixed_C].cumsum().searchsorted(marks, side="right")]] += 1
        left_C -= share_C
        class_MG[number] = np.repeat(mixed_C, share_C[mixed_C])
    return class_MG


def _places(class_T: Ints, sizes_C: Ints, k: int) -> Ints:
    """Where the rows of each group stand among rows sorted by class; a class's groups take its rows in turn."""
    by_class_T = np.argsort(class_T, kind="stable")
    taken_C = np.bincount(class_T, minlength=len(sizes_C))
    turn_T = np.empty_like(class_T)
    turn_T[by_class_T] = np.arange(len(class_T)) - np.repeat(np.cumsum(taken_C) - taken_C, taken_C)
    start_C = np.cumsum(sizes_C) - sizes_C
    return ((start_C[class_T] + turn_T * k)[:, None] + np.arange(k)).reshape(-1)


@cache  # a study builds a sampler for every trial, and one warning is enough
def _advise(k: int, groups: int, *, classes: int) -> None:
    if k >= _LARGE_GROUP:
        _log.warning(
            "groups of k = %d images of one class: CCKD's students were worse from k = 8 on than with uniform batches",
            k,
        )
    if groups < min(_FEW_GROUPS, classes):
        _log.warning(
            "a batch holds %d of %d classes (batch_size / k); raise batch_size or lower k for at least %d",
            groups,
            classes,
            min(_FEW_GROUPS, classes),
        )
