"""Clusters of images by their embeddings: k-means with k-means++ seeding.

N: images, D: dimensions of an embedding, K: clusters.
"""

from __future__ import annotations

import torch
from torch import Tensor

from kdsearch.errors import DataError, KdsearchError

_SEEDING_ROWS = 10  # rows a cluster that the first centres are drawn from: of 50,000 x 512, all would take a minute
_CHUNK_ELEMENTS = 4_000_000  # of the matrix of distances are in memory at a time: 16 MB


def cluster_rows(embedding_ND: Tensor, clusters: int, *, seed: int, iterations: int = 30) -> Tensor:
    """The cluster of each row, int64 of 0..clusters - 1, none empty (k-means: Lloyd 1982, Arthur & Vassilvitskii 2007).

    Distances are Euclidean: give rows of unit length for clusters by angle. Ends once no row changes its cluster, or
    after ``iterations`` passes. The first centres come from a random sample of ten rows a cluster. Computed on the CPU
    in float32, so the device does not change the clusters.

    Raises:
        DataError: there are fewer rows than clusters.
        KdsearchError: an embedding is not finite.
        ValueError: ``clusters`` is below one.
    """
    if clusters < 1:
        raise ValueError(f"clusters must be at least 1, got {clusters}")
    if clusters > len(embedding_ND):
        raise DataError(
            f"{len(embedding_ND)} image(s) cannot form {clusters} clusters; lower clusters to "
            f"{len(embedding_ND)} or less"
        )
    rows_ND = embedding_ND.detach().float().cpu()
    if unknown := int((~rows_ND.isfinite().all(1)).sum()):
        raise KdsearchError(
            f"{unknown} of {len(rows_ND)} embeddings are not finite; the net that made them diverged: lower "
            "its learning_rate"
        )
    rows_ND = rows_ND - rows_ND.mean(0)  # a common offset would drown the differences in float32
    generator = torch.Generator().manual_seed(seed)
    sample = torch.randperm(len(rows_ND), generator=generator)[: _SEEDING_ROWS * clusters]
    return _refine(rows_ND, _first_centres(rows_ND[sample], clusters, generator), iterations)


def _first_centres(rows_ND: Tensor, clusters: int, generator: torch.Generator) -> Tensor:
    """K of the rows, each drawn with a probability proportional to its squared distance from those before it."""
    square_N = rows_ND.square().sum(1)
    nearest_N = torch.full((len(rows_ND),), torch.inf)
    centres = torch.empty(clusters, rows_ND.shape[1])
    chosen = 0  # the rows come in random order
    for place in range(clusters):
        centre_D = centres[place] = rows_ND[chosen]
        apart_N = square_N - 2 * (rows_ND @ centre_D) + centre_D @ centre_D
        nearest_N = torch.minimum(nearest_N, apart_N.clamp(min=0))
        nearest_N[chosen] = 0
        summed_N = nearest_N.double().cumsum(0)
        drawn = torch.rand((), generator=generator, dtype=torch.float64) * summed_N[-1]
        # the last place stands for every sum that rounding has left short, and for rows that are all alike
        chosen = min(int(torch.searchsorted(summed_N, drawn, right=True)), len(rows_ND) - 1)
    return centres


def _refine(rows_ND: Tensor, centres_KD: Tensor, iterations: int) -> Tensor:
    cluster_N = torch.full((len(rows_ND),), -1)
    for _ in range(max(1, iterations)):
        before_N = cluster_N
        nearest_N, apart_N = _nearest(rows_ND, centres_KD)
        cluster_N = _fill_empty(nearest_N, apart_N, len(centres_KD))
        if torch.equal(cluster_N, before_N):
            break
        sizes_K = torch.bincount(cluster_N, minlength=len(centres_KD))
        centres_KD = torch.zeros_like(centres_KD).index_add_(0, cluster_N, rows_ND) / sizes_K[:, None]
    return cluster_N


def _nearest(rows_ND: Tensor, centres_KD: Tensor) -> tuple[Tensor, Tensor]:
    """Each row's nearest centre and half its squared distance from it, less half the row's own square."""
    half_square_K = centres_KD.square().sum(1) / 2
    parts = rows_ND.split(max(1, _CHUNK_ELEMENTS // len(centres_KD)))
    found = [torch.addmm(half_square_K, part, centres_KD.T, alpha=-1).min(1) for part in parts]
    nearest_N = torch.cat([one.indices for one in found])
    return nearest_N, torch.cat([one.values for one in found]) + rows_ND.square().sum(1) / 2


def _fill_empty(cluster_N: Tensor, apart_N: Tensor, clusters: int) -> Tensor:
    """Gives every empty cluster the row that lies farthest from its own centre and is not alone there."""
    sizes = torch.bincount(cluster_N, minlength=clusters).tolist()
    empty = [number for number, size in enumerate(sizes) if size == 0]
    if not empty:
        return cluster_N
    filled_N = cluster_N.clone()
    farthest_first = iter(torch.argsort(apart_N, descending=True, stable=True).tolist())
    for number in empty:
        row = next(row for row in farthest_first if sizes[int(cluster_N[row])] > 1)
        sizes[int(cluster_N[row])] -= 1
        sizes[number] = 1
        filled_N[row] = number
    return filled_N
