from __future__ import annotations

import numpy as np
import pytest
import torch

from kdsearch.errors import DataError, KdsearchError
from kdsearch.measures.retrieval import Embedded, distances, retrieval_figures


def on_a_line(places, identities, cameras=None):
    camera_N = None if cameras is None else torch.tensor(cameras)
    return Embedded(torch.tensor(places).float()[:, None], torch.tensor(identities), camera_N)


def random_images(count, *, seed, identities=12, cameras=None, dimensions=6):
    """Embeddings that lie a little nearer to those of the same identity."""
    generator = torch.Generator().manual_seed(seed)
    identity_N = torch.randint(identities, (count,), generator=generator)
    centres = torch.randn(identities, dimensions, generator=torch.Generator().manual_seed(9))
    embedding_ND = centres[identity_N] + 1.5 * torch.randn(count, dimensions, generator=generator)
    camera_N = None if cameras is None else torch.randint(cameras, (count,), generator=generator)
    return Embedded(embedding_ND, identity_N, camera_N)


def test_a_query_by_hand():
    query, gallery = on_a_line([0], [5]), on_a_line([4, 1, 3, -2], [5, 6, 6, 5])  # nearest first: 6, 5, 6, 5
    figures = retrieval_figures(query, gallery, ranks=(1, 2), metric="euclidean")
    assert figures == {"rank_1": 0, "rank_2": 1, "mean_average_precision": (1 / 2 + 2 / 4) / 2, "queries": 1}


def test_queries_are_averaged_by_hand():
    queries = on_a_line([0, 10], [5, 6])
    gallery = on_a_line([1, 2, 11, 14], [5, 5, 5, 6])  # first query: 5, 5, 5, 6; second: 5, 6, 5, 5
    figures = retrieval_figures(queries, gallery, ranks=(1, 2), metric="euclidean")
    assert figures == {"rank_1": 0.5, "rank_2": 1, "mean_average_precision": (1 + 1 / 2) / 2, "queries": 2}


def test_without_a_gallery_a_query_does_not_find_itself():
    images = on_a_line([0, 1, 3], [5, 6, 5])  # 0: 6, 5; 1: not counted; 3: 6, 5
    assert retrieval_figures(images, ranks=(1, 2), metric="euclidean") == {
        "rank_1": 0,
        "rank_2": 1,
        "mean_average_precision": 1 / 2,
        "queries": 2,
    }


def test_images_of_the_same_identity_by_the_same_camera_are_left_out():
    query = on_a_line([0], [5], [1])
    gallery = on_a_line([0.5, 1, 2, 3], [5, 6, 5, 6], [1, 1, 2, 2])  # left: 6, 5, 6
    figures = retrieval_figures(query, gallery, ranks=(1, 2), metric="euclidean")
    assert figures == {"rank_1": 0, "rank_2": 1, "mean_average_precision": 1 / 2, "queries": 1}


def test_of_images_equally_near_those_of_others_come_first():
    query, gallery = on_a_line([0], [5]), on_a_line([1, 1, -1, 2], [5, 5, 6, 6])
    figures = retrieval_figures(query, gallery, ranks=(1, 2), metric="euclidean")
    assert figures["rank_1"] == 0
    assert figures["rank_2"] == 1
    assert figures["mean_average_precision"] == pytest.approx((1 / 2 + 2 / 3) / 2)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_one_vector_for_all_finds_nobody(metric):
    same = Embedded(torch.ones(40, 4), torch.arange(40) % 10)
    figures = retrieval_figures(same, metric=metric)
    assert figures["rank_10"] == 0
    assert figures["mean_average_precision"] == pytest.approx((1 / 37 + 2 / 38 + 3 / 39) / 3)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("cameras", [None, 3])
def test_figures_are_those_of_scikit_learn_query_by_query(metric, cameras):
    from sklearn.metrics import average_precision_score, pairwise_distances

    queries, gallery = random_images(60, seed=1, cameras=cameras), random_images(150, seed=2, cameras=cameras)
    apart_QG = pairwise_distances(queries.embedding_ND.double(), gallery.embedding_ND.double(), metric=metric)
    precisions, firsts = [], []
    for number, apart in enumerate(apart_QG):
        match = (gallery.identity_N == queries.identity_N[number]).numpy()
        if cameras:
            kept = ~match | (gallery.camera_N != queries.camera_N[number]).numpy()
            match, apart = match[kept], apart[kept]
        precisions.append(average_precision_score(match, -apart))
        firsts.append(np.flatnonzero(match[np.argsort(apart)])[0])
    figures = retrieval_figures(queries, gallery, ranks=(1, 3, 5), metric=metric)
    assert figures["mean_average_precision"] == pytest.approx(np.mean(precisions), abs=1e-6)
    assert [figures[f"rank_{rank}"] for rank in (1, 3, 5)] == [np.mean(np.array(firsts) < rank) for rank in (1, 3, 5)]
    assert 0.1 < figures["rank_1"] < 0.9


def test_figures_do_not_depend_on_how_many_queries_fit_into_memory_at_once():
    images = random_images(2500, seed=3, identities=900)  # 6.25 million distances: two parts
    own_camera = Embedded(images.embedding_ND, images.identity_N, torch.arange(2500))
    parts = [
        Embedded(
            *(column[start : start + 500] for column in (images.embedding_ND, images.identity_N, torch.arange(2500)))
        )
        for start in range(0, 2500, 500)
    ]
    whole = retrieval_figures(images)
    of_parts = [retrieval_figures(part, own_camera) for part in parts]
    counted = [figures["queries"] for figures in of_parts]
    assert whole["queries"] == sum(counted) < 2500
    for name in ("rank_1", "mean_average_precision"):
        assert whole[name] == pytest.approx(np.average([figures[name] for figures in of_parts], weights=counted))


def test_cosine_distances_know_no_length_and_run_from_0_to_2():
    rows = torch.tensor([[1.0, 0], [0, 3], [-2, 0], [0, 0]])
    expected = [[0, 1, 2, 1], [1, 0, 1, 1], [2, 1, 0, 1], [1, 1, 1, 1]]
    assert distances(rows, rows, "cosine").tolist() == expected


def test_euclidean_distances_are_exact_far_from_the_origin():
    rows = torch.rand(50, 3, generator=torch.Generator().manual_seed(0)) + 1000
    exact = torch.cdist(rows.double(), rows.double(), compute_mode="donot_use_mm_for_euclid_dist")
    assert torch.allclose(distances(rows, rows, "euclidean").double(), exact, atol=1e-3)


def test_embeddings_of_half_precision_are_taken():
    images = random_images(50, seed=4, identities=4)
    half = Embedded(images.embedding_ND.half(), images.identity_N)
    assert retrieval_figures(half)["queries"] == retrieval_figures(images)["queries"] == 50


def test_identities_without_a_second_image_are_an_error():
    with pytest.raises(DataError, match="no query has an image of its identity in the gallery"):
        retrieval_figures(on_a_line([0, 1], [5, 6]))


def test_embeddings_that_are_not_finite_are_an_error():
    with pytest.raises(KdsearchError, match="1 of 3 embeddings are not finite; the net that made them diverged"):
        on_a_line([0, torch.nan, 1], [5, 6, 5])


def test_cameras_of_one_side_only_are_a_bug():
    with pytest.raises(ValueError, match="must both have cameras, or neither"):
        retrieval_figures(on_a_line([0], [5], [1]), on_a_line([0], [5]))


def test_rank_nought_is_a_bug():
    with pytest.raises(ValueError, match="ranks start at 1, got 0"):
        retrieval_figures(on_a_line([0, 1], [5, 5]), ranks=(0, 1))


def test_rows_that_do_not_fit_together_are_a_bug():
    with pytest.raises(ValueError, match=r"embeddings \(2, 1\) must be N x D with one identity a row, got \(3,\)"):
        on_a_line([0, 1], [5, 5, 5])
    with pytest.raises(ValueError, match=r"there are 2 embeddings and \(3,\) cameras"):
        on_a_line([0, 1], [5, 5], [1, 2, 3])
