from __future__ import annotations

import numpy as np
import pytest
import torch

from kdsearch.data.clusters import cluster_rows
from kdsearch.errors import DataError, KdsearchError


def blobs(*, clusters=12, rows=40, dimensions=8, spread=0.05, offset=0.0):
    """Rows round well separated centres, and the number of each row's centre."""
    generator = torch.Generator().manual_seed(1)
    centres = torch.eye(dimensions).repeat(2, 1)[:clusters] * torch.arange(1, clusters + 1)[:, None]
    label = torch.arange(clusters * rows) % clusters
    return centres[label] + spread * torch.randn(len(label), dimensions, generator=generator) + offset, label


def spread_within(rows_ND, cluster_N):
    members = [rows_ND[cluster_N == number].double() for number in cluster_N.unique()]
    return sum(float((part - part.mean(0)).square().sum()) for part in members)


@pytest.mark.parametrize("offset", [0.0, 1e5])
@pytest.mark.parametrize("seed", range(3))
def test_clusters_that_lie_apart_are_found(seed, offset):
    rows, label = blobs(clusters=8, offset=offset)
    found = cluster_rows(rows, 8, seed=seed)
    assert len(torch.stack([label, found]).unique(dim=1).T) == 8


def test_the_clusters_are_as_tight_as_another_k_means_finds():
    from sklearn.cluster import KMeans

    rows = torch.rand(600, 5, generator=torch.Generator().manual_seed(0))
    theirs = KMeans(15, n_init=1, random_state=0).fit(rows.numpy()).inertia_
    assert spread_within(rows, cluster_rows(rows, 15, seed=0)) == pytest.approx(theirs, rel=0.05)


def test_every_row_lies_nearest_to_the_mean_of_its_own_cluster():
    rows = torch.rand(400, 3, generator=torch.Generator().manual_seed(2))
    found = cluster_rows(rows, 10, seed=0, iterations=200)
    means = torch.stack([rows[found == number].mean(0) for number in range(10)])
    assert torch.equal(torch.cdist(rows, means).argmin(1), found)


def test_same_seed_same_clusters():
    rows = torch.rand(300, 4, generator=torch.Generator().manual_seed(3))
    assert torch.equal(cluster_rows(rows, 20, seed=5), cluster_rows(rows, 20, seed=5))
    assert not torch.equal(cluster_rows(rows, 20, seed=5), cluster_rows(rows, 20, seed=6))


@pytest.mark.parametrize("iterations", [1, 2, 30])
def test_no_cluster_is_empty_even_where_rows_are_alike(iterations):
    rng = np.random.default_rng(0)
    for seed in range(60):
        rows = torch.from_numpy(rng.integers(5, size=(rng.integers(1, 13), 1))).float().repeat(1, 3)
        clusters = max(1, len(rows) - seed % 3)
        found = cluster_rows(rows, clusters, seed=seed, iterations=iterations)
        assert torch.equal(found.unique(), torch.arange(clusters))


def test_embeddings_of_half_precision_are_taken():
    rows, _ = blobs(clusters=4)
    assert torch.equal(cluster_rows(rows.half(), 4, seed=0), cluster_rows(rows.half().float(), 4, seed=0))


def test_more_clusters_than_images_is_an_error():
    with pytest.raises(DataError, match=r"3 image\(s\) cannot form 4 clusters; lower clusters to 3 or less"):
        cluster_rows(torch.rand(3, 2), 4, seed=0)


def test_embeddings_that_are_not_finite_are_an_error():
    rows = torch.zeros(5, 2)
    rows[1, 0], rows[3, 1] = torch.nan, torch.inf
    with pytest.raises(KdsearchError, match="2 of 5 embeddings are not finite"):
        cluster_rows(rows, 2, seed=0)


def test_no_clusters_is_an_error():
    with pytest.raises(ValueError, match="clusters must be at least 1, got 0"):
        cluster_rows(torch.rand(3, 2), 0, seed=0)
