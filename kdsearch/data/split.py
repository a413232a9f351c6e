"""Divides a training part into training, validation and test images, class by class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from kdsearch.data.seeds import mix_seed
from kdsearch.errors import DataError


def hold_out(labels_N: Tensor, shares: Sequence[float], *, seed: int, classes: Sequence[str]) -> list[Tensor]:
    """Row numbers of ``len(shares) + 1`` parts: one a share, each shuffled, and last what is left, ascending.

    Every class gives round(share * its images), at least one, to every part; so a data set with as many images a class
    stays balanced.

    Raises:
        DataError: a class has too few images to appear in every part.
    """
    generator = torch.Generator().manual_seed(mix_seed(seed, 0))
    parts: list[list[Tensor]] = [[] for _ in range(len(shares) + 1)]
    for label, name in enumerate(classes):
        rows = torch.nonzero(labels_N == label).squeeze(1)
        rows = rows[torch.randperm(len(rows), generator=generator)]
        sizes = [max(1, round(share * len(rows))) for share in shares]
        if sum(sizes) >= len(rows):
            raise DataError(
                f"class '{name}' has {len(rows)} image(s), too few for {len(shares) + 1} parts; "
                "add images or lower task.validation_share and task.test_share"
            )
        pieces = torch.split(rows, [*sizes, len(rows) - sum(sizes)])
        for part, piece in zip(parts, pieces, strict=True):
            part.append(piece)
    held = [torch.cat(part) for part in parts]
    shuffled = [rows[torch.randperm(len(rows), generator=generator)] for rows in held[:-1]]
    return [*shuffled, held[-1].sort().values]


def thin_out(labels_N: Tensor, rows: Tensor, count: int, *, seed: int) -> Tensor:
    """``count`` of the rows, ascending, in which every class keeps its share to within one image.

    Raises:
        DataError: more are asked for than there are, or fewer than there are classes.
    """
    present = labels_N[rows].unique()
    if count < len(present):
        raise DataError(f"task.train_images is {count}, there are {len(present)} classes; raise it")
    if count > len(rows):
        raise DataError(f"task.train_images is {count:,}, the training part has {len(rows):,}; lower it")
    generator = torch.Generator().manual_seed(mix_seed(seed, 1))
    shuffled = rows[torch.randperm(len(rows), generator=generator)]
    labels = labels_N[shuffled]
    # an image's place within its class, as a share of the class: taking the smallest keeps all classes in step
    place = torch.empty(len(rows), dtype=torch.float64)
    for label in present:
        members = torch.nonzero(labels == label).squeeze(1)
        place[members] = (torch.arange(len(members), dtype=torch.float64) + 0.5) / len(members)
    return shuffled[torch.argsort(place, stable=True)[:count]].sort().values


def spread_over_classes(labels: Sequence[int], count: int) -> list[int]:
    """``count`` places, of all if there are fewer: the first of every class, then the second of every class, and on."""
    met: Counter[int] = Counter()
    rounds = []
    for place, label in enumerate(labels):
        rounds.append((met[label], label, place))
        met[label] += 1
    return [place for _, _, place in sorted(rounds)[:count]]
