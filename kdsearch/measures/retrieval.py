"""How well embeddings find other images of the same identity: rank-k and mean average precision.

N: images, D: dimensions of an embedding, Q: queries, G: images of the gallery, M: the most matches that a query has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from kdsearch.errors import DataError, KdsearchError

Metric = Literal["cosine", "euclidean"]
_CHUNK_ELEMENTS = 4_000_000  # of the matrix of distances are in memory at a time; with its copies about 150 MB


@dataclass(frozen=True, slots=True)
class Embedded:
    """Embeddings of images, whose images they are and, where it matters, which camera took them.

    Raises:
        KdsearchError: an embedding is not finite.
        ValueError: the rows do not fit together.
    """

    embedding_ND: Tensor
    identity_N: Tensor
    camera_N: Tensor | None = None

    def __post_init__(self) -> None:
        count = self.embedding_ND.shape[:1]
        if self.embedding_ND.ndim != 2 or self.identity_N.shape != count:
            raise ValueError(
                f"embeddings {tuple(self.embedding_ND.shape)} must be N x D with one identity a row, got "
                f"{tuple(self.identity_N.shape)}"
            )
        if self.camera_N is not None and self.camera_N.shape != count:
            raise ValueError(f"there are {count[0]} embeddings and {tuple(self.camera_N.shape)} cameras")
        check_finite(self.embedding_ND)


def retrieval_figures(
    queries: Embedded, gallery: Embedded | None = None, *, ranks: Sequence[int] = (1, 5, 10), metric: Metric = "cosine"
) -> dict[str, float]:
    """``rank_1``, .. (cumulative match characteristic), ``mean_average_precision``, all 0..1, and ``queries`` counted.

    ``rank_k``: the share of queries that have an image of their identity among the k nearest. Average precision as
    Zheng et al. 2015 (Market-1501): the mean, over a query's matches, of the share of matches among all images as near
    as this one or nearer. Of images equally near, those of others come first: a net that answers one vector for all
    gains nothing. Without a ``gallery`` every query searches all the other queries. Where both have cameras, images of
    the query's identity by the query's camera are left out, as in Market-1501 and MSMT17. A query without any match is
    not counted.

    Raises:
        DataError: no query has a match.
        ValueError: a rank is below 1, or only one side has cameras.
    """
    if min(ranks) < 1:
        raise ValueError(f"ranks start at 1, got {min(ranks)}")
    if gallery is not None and (queries.camera_N is None) != (gallery.camera_N is None):
        raise ValueError("queries and gallery must both have cameras, or neither")
    firsts, precisions = [], []
    step = max(1, _CHUNK_ELEMENTS // len((gallery or queries).identity_N))
    for start in range(0, len(queries.identity_N), step):
        ahead_QM, matched_QM = _ahead(queries, gallery, slice(start, start + step), metric)
        nth_M = torch.arange(1, ahead_QM.shape[1] + 1)
        precision_QM = torch.where(matched_QM, nth_M / (nth_M + ahead_QM).double(), 0.0)
        found_Q = matched_QM.any(1)
        precisions.append((precision_QM.sum(1) / matched_QM.sum(1))[found_Q])
        firsts.append(ahead_QM[found_Q, 0] if ahead_QM.shape[1] else ahead_QM.new_empty(0))
    first_Q, precision_Q = torch.cat(firsts), torch.cat(precisions)
    if not len(first_Q):
        raise DataError("no query has an image of its identity in the gallery; check the identities and the cameras")
    shares = {f"rank_{rank}": (first_Q < rank).double().mean().item() for rank in ranks}
    return {**shares, "mean_average_precision": precision_Q.mean().item(), "queries": len(first_Q)}


def distances(query_QD: Tensor, gallery_GD: Tensor, metric: Metric) -> Tensor:
    """Q x G: 1 - cosine (0..2), or the Euclidean distance; float32 on the CPU.

    A vector of zeros has the cosine 0 with every other.
    """
    query_QD, gallery_GD = query_QD.detach().float().cpu(), gallery_GD.detach().float().cpu()
    if metric == "cosine":
        return 1 - F.normalize(query_QD) @ F.normalize(gallery_GD).T
    middle_D = gallery_GD.mean(0)  # a common offset would drown the differences in float32
    return torch.cdist(query_QD - middle_D, gallery_GD - middle_D)


def check_finite(embedding_ND: Tensor) -> None:
    """Raises a KdsearchError where an embedding is not finite, which would lie nowhere."""
    if unknown := int((~embedding_ND.isfinite().all(1)).sum()):
        raise KdsearchError(
            f"{unknown} of {len(embedding_ND)} embeddings are not finite; the net that made them diverged: "
            "lower its learning_rate"
        )


def _ahead(queries: Embedded, gallery: Embedded | None, part: slice, metric: Metric) -> tuple[Tensor, Tensor]:
    """Images of others that come before each match of a query, matches nearest first, and which entries are matches."""
    against = gallery or queries
    apart_QG = distances(queries.embedding_ND[part], against.embedding_ND, metric)
    match_QG = queries.identity_N[part, None] == against.identity_N
    other_QG = ~match_QG
    if queries.camera_N is not None and against.camera_N is not None:
        match_QG &= queries.camera_N[part, None] != against.camera_N
    if gallery is None:
        rows = torch.arange(len(match_QG))
        match_QG[rows, rows + part.start] = False
    found_Q = match_QG.sum(1)
    match_apart_QM = _sorted(apart_QG, match_QG)[:, : int(found_Q.max())].contiguous()
    ahead_QM = torch.searchsorted(_sorted(apart_QG, other_QG), match_apart_QM, right=True)
    return ahead_QM, torch.arange(ahead_QM.shape[1]) < found_Q[:, None]


def _sorted(apart_QG: Tensor, kept_QG: Tensor) -> Tensor:
    """Each row's kept distances, ascending; infinity in place of the others."""
    # torch.sort would find the order, too, and take four times as long
    return torch.from_numpy(np.sort(apart_QG.masked_fill(~kept_QG, torch.inf).numpy(), axis=1))
