"""Whether two images show the same identity, told from the distance of their embeddings.

N: images, D: dimensions of an embedding, P: pairs of images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from kdsearch.errors import DataError
from kdsearch.measures.retrieval import Metric, check_finite

_CHUNK_PAIRS = 65_536

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Rows of two images each, int64, and whether they show the same identity."""

    first_P: Tensor
    second_P: Tensor
    same_P: Tensor

    def __len__(self) -> int:
        return len(self.same_P)


def draw_pairs(identity_N: Tensor, count: int, *, seed: int) -> Pairs:
    """``count`` different pairs in random order, half of them (rounded down) of one identity.

    Each pair of one identity is equally likely, and so is each pair of two; so an identity of many images is in many.

    Raises:
        DataError: there are fewer such pairs.
    """
    rng = np.random.default_rng(seed)
    row_N, after_N = _by_identity(identity_N)
    place_N = np.arange(len(row_N))
    halves = (
        _some(after_N - place_N - 1, place_N + 1, count // 2, "of one identity", rng),
        _some(len(row_N) - after_N, after_N, count - count // 2, "of two identities", rng),
    )
    first_P, second_P = row_N[np.concatenate(halves, axis=1)]
    same_P = np.arange(count) < count // 2
    mixed = rng.permutation(count)
    return Pairs(*(torch.from_numpy(column[mixed]) for column in (first_P, second_P, same_P)))


def all_pairs(identity_N: Tensor) -> Pairs:
    """All N (N - 1) / 2 pairs, 17 bytes each: right for a few thousand images, which have millions."""
    first_P, second_P = torch.triu_indices(len(identity_N), len(identity_N), offset=1)
    identity_N = identity_N.cpu()
    return Pairs(first_P, second_P, identity_N[first_P] == identity_N[second_P])


def pair_distances(embedding_ND: Tensor, pairs: Pairs, metric: Metric = "cosine") -> Tensor:
    """The distance of each pair's embeddings, as of ``retrieval.distances``: P, float32, on the CPU.

    Raises:
        KdsearchError: an embedding is not finite.
    """
    check_finite(embedding_ND)
    rows_ND = embedding_ND.detach().float().cpu()
    if metric == "cosine":
        rows_ND = F.normalize(rows_ND)
    apart = []
    for first, second in zip(pairs.first_P.split(_CHUNK_PAIRS), pairs.second_P.split(_CHUNK_PAIRS), strict=True):
        if metric == "cosine":
            apart.append(1 - (rows_ND[first] * rows_ND[second]).sum(1))
        else:
            apart.append((rows_ND[first] - rows_ND[second]).norm(dim=1))
    return torch.cat(apart)


def verification_accuracy(distance_P: Tensor, same_P: Tensor, *, folds: int = 10) -> tuple[float, float]:
    """Mean accuracy (0..1) over the folds and its population standard deviation, by the protocol of LFW.

    Huang et al. 2007: on all other folds the threshold is found that tells most pairs aright, then applied to this one.
    It lies midway between two distances; of equally good ones it is the smallest. Fold i holds the i-th part of the
    pairs of one identity and the i-th part of the others, in their order; LFW's own list of pairs gives LFW's folds.

    Raises:
        DataError: there are fewer pairs of a kind than folds.
        ValueError: there are fewer than two folds.
    """
    if folds < 2:
        raise ValueError(f"a threshold needs at least 2 folds, got {folds}")
    distance, same = _columns(distance_P, same_P)
    fold_P = np.empty(len(same), dtype=np.int64)
    for kind, name in ((same, "of one identity"), (~same, "of two identities")):
        if kind.sum() < folds:
            raise DataError(f"{folds} folds need as many pairs {name}, there are {kind.sum()}; give more pairs")
        for number, part in enumerate(np.array_split(np.flatnonzero(kind), folds)):
            fold_P[part] = number
    shares = []
    for number in range(folds):
        tested = fold_P == number
        accepted = distance[tested] <= _best_threshold(distance[~tested], same[~tested])
        shares.append(np.mean(accepted == same[tested]))
    return float(np.mean(shares)), float(np.std(shares))


def true_accept_rates(
    distance_P: Tensor, same_P: Tensor, false_accept_rates: Sequence[float] = (1e-1, 1e-2, 1e-3)
) -> dict[float, float]:
    """For each false accept rate, the largest share (0..1) of pairs of one identity accepted at no more than that rate.

    A rate is the share of pairs of two identities that are accepted.

    Raises:
        DataError: there is no pair of one identity, or there are too few of two for a rate to be one of them or more.
        ValueError: a rate is not above 0 and at most 1.
    """
    distance, same = _columns(distance_P, same_P)
    if not same.any():
        raise DataError("there is no pair of one identity, so no rate at which such pairs are accepted; give some")
    others = np.sort(distance[~same])
    return {rate: float(np.mean(distance[same] < _refused_from(others, rate))) for rate in false_accept_rates}


def _refused_from(others: Floats, rate: float) -> float:
    """The distance from which on pairs are refused, so that no larger share of ``others`` (ascending) is accepted."""
    if not 0 < rate <= 1:
        raise ValueError(f"a false accept rate is above 0 and at most 1, got {rate}")
    allowed = math.floor(rate * len(others) * (1 + 1e-12))  # 0.29 * 100 is 28.999999999999996
    if allowed < 1:
        least = f"{1 / len(others):.1e}" if len(others) else "none"
        raise DataError(
            f"a false accept rate of {rate:g} needs {math.ceil(1 / rate):,} pairs of two identities, there are "
            f"{len(others):,}; give more pairs, or ask for {least} or more"
        )
    return float(others[allowed]) if allowed < len(others) else math.inf


def _best_threshold(distance: Floats, same: Flags) -> float:
    order = np.argsort(distance, kind="stable")
    ascending, gains = distance[order], np.where(same[order], 1, -1)
    # accepting none, then one more pair at a time; only between two different distances can a threshold lie
    right = np.concatenate([[0], np.cumsum(gains)])
    right[1:-1][ascending[1:] == ascending[:-1]] = -len(same)
    best = int(np.argmax(right))
    edges = np.concatenate([[-math.inf], ascending, [math.inf]])
    return float((edges[best] + edges[best + 1]) / 2)


def _columns(distance_P: Tensor, same_P: Tensor) -> tuple[Floats, Flags]:
    if distance_P.shape != same_P.shape or distance_P.ndim != 1:
        raise ValueError(f"{tuple(distance_P.shape)} distances of {tuple(same_P.shape)} pairs do not fit together")
    return distance_P.detach().double().cpu().numpy(), same_P.bool().cpu().numpy()


def _by_identity(identity_N: Tensor) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows sorted by identity, and for each place among them where its identity ends."""
    identity = identity_N.cpu().numpy()
    row_N = np.argsort(identity, kind="stable")
    return row_N, np.searchsorted(identity[row_N], identity[row_N], side="right")


def _some(
    partners_N: NDArray[np.int64], start_N: NDArray[np.int64], count: int, kind: str, rng: np.random.Generator
) -> NDArray[np.int64]:
    """2 x ``count`` places: different ones of the pairs of each place with its ``partners_N`` from ``start_N`` on."""
    ends_N = partners_N.cumsum()
    if count > (there := int(partners_N.sum())):
        raise DataError(f"{count:,} pairs {kind} are asked for, there are {there:,}; ask for fewer")
    drawn = rng.choice(there, count, replace=False, shuffle=False)
    first = np.searchsorted(ends_N, drawn, side="right")
    return np.stack([first, start_N[first] + drawn - (ends_N - partners_N)[first]])
