from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from kdsearch.errors import DataError, KdsearchError
from kdsearch.measures.retrieval import Embedded, distances, retrieval_figures
from kdsearch.measures.verification import (
    all_pairs,
    draw_pairs,
    pair_distances,
    true_accept_rates,
    verification_accuracy,
)

IDENTITIES = torch.tensor([3, 0, 3, 1, 0, 3, 2, 0])  # 3 + 3 pairs of one identity, 22 of two


def told_apart(same_count, other_count, *, seed, gap=1.0, decimals=8):
    """Distances of pairs in mixed order; those of two identities are larger by ``gap`` deviations."""
    generator = torch.Generator().manual_seed(seed)
    same = torch.randperm(same_count + other_count, generator=generator) < same_count
    apart = torch.randn(len(same), generator=generator, dtype=torch.float64) + gap * ~same
    return apart.round(decimals=decimals), same


@settings(max_examples=60, deadline=None)
@given(
    identities=st.lists(st.integers(0, 6), min_size=2, max_size=30), share=st.floats(0, 1), seed=st.integers(0, 2**32)
)
def test_drawn_pairs_are_different_and_told_aright(identities, share, seed):
    identity_N = torch.tensor(identities)
    same = int(all_pairs(identity_N).same_P.sum())
    count = int(share * 2 * min(same, len(identity_N) * (len(identity_N) - 1) // 2 - same))
    pairs = draw_pairs(identity_N, count, seed=seed)
    assert len(pairs) == count
    assert int(pairs.same_P.sum()) == count // 2
    assert torch.equal(identity_N[pairs.first_P] == identity_N[pairs.second_P], pairs.same_P)
    assert bool((pairs.first_P != pairs.second_P).all())
    unordered = torch.stack([pairs.first_P, pairs.second_P]).sort(0).values
    assert unordered.unique(dim=1).shape[1] == count


def test_every_pair_of_a_kind_is_equally_likely():
    counts = torch.zeros(8, 8)
    for seed in range(600):
        pairs = draw_pairs(IDENTITIES, 4, seed=seed)
        for first, second in zip(pairs.first_P, pairs.second_P, strict=True):
            counts[min(first, second), max(first, second)] += 1
    every = all_pairs(IDENTITIES)
    drawn = counts[every.first_P, every.second_P]
    same, other = drawn[every.same_P], drawn[~every.same_P]
    assert float(same.sum()) == float(other.sum()) == 1200
    assert bool(((same - 1200 / 6).abs() < 4 * (1200 / 6) ** 0.5).all())
    assert bool(((other - 1200 / 22).abs() < 4 * (1200 / 22) ** 0.5).all())


def test_same_seed_same_pairs():
    first, same, different = (draw_pairs(IDENTITIES, 10, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.first_P, same.first_P)
    assert torch.equal(first.second_P, same.second_P)
    assert not torch.equal(first.first_P, different.first_P)


def test_pairs_of_both_kinds_come_mixed():
    same_P = draw_pairs(torch.arange(200) % 20, 1000, seed=0).same_P.int()
    assert int(same_P.diff().abs().sum()) == pytest.approx(500, abs=60)  # changes of kind, each with a chance of a half


def test_all_pairs_of_three_images():
    pairs = all_pairs(torch.tensor([4, 7, 4]))
    assert pairs.first_P.tolist() == [0, 0, 1]
    assert pairs.second_P.tolist() == [1, 2, 2]
    assert pairs.same_P.tolist() == [False, True, False]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_pairs_are_as_far_apart_as_query_and_gallery(metric):
    rows = torch.randn(400, 5, generator=torch.Generator().manual_seed(0))  # 79,800 pairs: two parts
    pairs = all_pairs(torch.arange(400) % 7)
    expected = distances(rows, rows, metric)[pairs.first_P, pairs.second_P]
    assert torch.allclose(pair_distances(rows, pairs, metric), expected, atol=1e-5)


def test_accuracy_of_two_folds_by_hand():
    same = torch.tensor([0.10, 0.45, 0.2, 0.6])
    other = torch.tensor([0.50, 0.90, 0.4, 0.8])
    # the second fold puts the threshold to 0.3: the first has 0.45 wrong; the first puts it to 0.475: 0.6 and 0.4 are
    mean, deviation = verification_accuracy(torch.cat([same, other]), torch.arange(8) < 4, folds=2)
    assert mean == pytest.approx((3 / 4 + 2 / 4) / 2)
    assert deviation == pytest.approx(1 / 8)


@pytest.mark.parametrize("decimals", [8, 1])
def test_accuracy_is_that_of_every_threshold_tried_on_scikit_learns_folds(decimals):
    from sklearn.model_selection import StratifiedKFold

    apart, same = (column.numpy() for column in told_apart(100, 100, seed=0, decimals=decimals))
    shares = []
    for rest, fold in StratifiedKFold(10).split(apart, same):
        cuts = np.unique(apart[rest])
        thresholds = np.concatenate([[-np.inf], (cuts[1:] + cuts[:-1]) / 2, [np.inf]])
        right = [np.mean((apart[rest] <= threshold) == same[rest]) for threshold in thresholds]
        shares.append(np.mean((apart[fold] <= thresholds[np.argmax(right)]) == same[fold]))
    expected = np.mean(shares), np.std(shares)
    assert verification_accuracy(torch.tensor(apart), torch.tensor(same)) == pytest.approx(expected)
    assert 0.6 < expected[0] < 0.8


def test_folds_of_pairs_in_the_order_of_lfw_are_those_of_lfw():
    # ten blocks of three pairs of one identity, then three of two; in block 4 all is the wrong way round
    apart = torch.tensor([0.1, 0.2, 0.3, 0.7, 0.8, 0.9]).repeat(10, 1)
    apart[4] = apart[4].flip(0)
    same = torch.tensor([True] * 3 + [False] * 3).repeat(10)
    assert verification_accuracy(apart.flatten(), same) == pytest.approx((0.9, 0.3))


def test_pairs_that_cannot_be_told_are_right_by_chance():
    mean, _ = verification_accuracy(*told_apart(5000, 5000, seed=1, gap=0.0))
    assert mean == pytest.approx(0.5, abs=0.02)


def test_accept_rates_by_hand():
    same, other = torch.tensor([0.1, 0.2, 0.5, 0.9]), torch.tensor([0.2, 0.4, 0.6, 0.8, 1.0])
    rates = true_accept_rates(torch.cat([same, other]), torch.arange(9) < 4, (0.2, 0.4, 0.5, 1.0))
    # one other pair may be accepted: all below 0.4; two: below 0.6, of which half is no more; all: everything
    assert rates == {0.2: 2 / 4, 0.4: 3 / 4, 0.5: 3 / 4, 1.0: 1}


def test_a_rate_allows_as_many_pairs_as_it_says_whatever_floats_make_of_it():
    other = torch.arange(100) + 1.0
    same = torch.tensor([29.5])  # 29 of 100 are nearer, and 0.29 * 100 is 28.999999999999996
    assert true_accept_rates(torch.cat([same, other]), torch.arange(101) < 1, (0.28, 0.29)) == {0.28: 0, 0.29: 1}


@pytest.mark.parametrize("decimals", [8, 1])
def test_accept_rates_are_those_of_scikit_learns_curve(decimals):
    from sklearn.metrics import roc_curve

    apart, same = told_apart(200, 1000, seed=2, decimals=decimals)
    false, true, _ = roc_curve(same, -apart, drop_intermediate=False)
    rates = (0.001, 0.01, 0.029, 0.1, 0.5)
    expected = {rate: true[false <= rate + 1e-12].max() for rate in rates}
    assert true_accept_rates(apart, same, rates) == pytest.approx(expected)


def test_a_false_accept_rate_that_the_pairs_cannot_resolve_is_refused():
    apart, same = told_apart(50, 190, seed=3)
    message = (
        "a false accept rate of 0.001 needs 1,000 pairs of two identities, there are 190; "
        "give more pairs, or ask for 5.3e-03 or more$"
    )
    with pytest.raises(DataError, match=message):
        true_accept_rates(apart, same, (0.1, 0.001))
    assert true_accept_rates(apart, same, (5.3e-3,))


def test_no_pairs_of_a_kind_are_refused():
    with pytest.raises(DataError, match="there are 0; give more pairs, or ask for none"):
        true_accept_rates(torch.ones(3), torch.ones(3, dtype=torch.bool))
    with pytest.raises(DataError, match="there is no pair of one identity"):
        true_accept_rates(torch.ones(3), torch.zeros(3, dtype=torch.bool))
    with pytest.raises(DataError, match="10 folds need as many pairs of two identities, there are 9; give more pairs"):
        verification_accuracy(torch.ones(30), torch.arange(30) >= 9)


def test_more_pairs_than_there_are_is_an_error():
    with pytest.raises(DataError, match="7 pairs of one identity are asked for, there are 6; ask for fewer"):
        draw_pairs(IDENTITIES, 14, seed=0)
    with pytest.raises(DataError, match="2 pairs of two identities are asked for, there are 0"):
        draw_pairs(torch.zeros(5, dtype=torch.int64), 4, seed=0)


def test_embeddings_that_are_not_finite_are_an_error():
    rows = torch.ones(8, 3)
    rows[2] = torch.inf
    with pytest.raises(KdsearchError, match="1 of 8 embeddings are not finite"):
        pair_distances(rows, all_pairs(IDENTITIES))


def test_arguments_that_make_no_sense_are_bugs():
    apart, same = torch.ones(4), torch.arange(4) < 2
    with pytest.raises(ValueError, match="at least 2 folds, got 1"):
        verification_accuracy(apart, same, folds=1)
    with pytest.raises(ValueError, match="above 0 and at most 1, got 0"):
        true_accept_rates(apart, same, (0,))
    with pytest.raises(ValueError, match=r"\(4,\) distances of \(3,\) pairs do not fit together"):
        true_accept_rates(apart, same[:3])


def faces():
    """Images of 40 people, ten each, shrunk to 28x24 pixels, as rows; and whose they are."""
    with np.load(Path(os.environ["KDSEARCH_DATA"], "faces_orl.npz")) as file:
        images_NCHW, person_N = torch.from_numpy(file["x"]).double()[:, None], torch.from_numpy(file["y"]).long()
    return F.avg_pool2d(images_NCHW, 4).flatten(1), person_N


def whiten(rows_ND, person_N):
    """A map, from these people, that makes their images vary alike in all directions round each person's mean."""
    within = torch.cat([rows_ND[person_N == one] - rows_ND[person_N == one].mean(0) for one in person_N.unique()])
    covariance = within.T @ within / len(within)
    covariance += 0.01 * covariance.diagonal().mean() * torch.eye(len(covariance))
    return lambda others_ND: (
        torch.linalg.solve_triangular(torch.linalg.cholesky(covariance), (others_ND - rows_ND.mean(0)).T, upper=False).T
    )


@pytest.mark.skipif("KDSEARCH_DATA" not in os.environ, reason="KDSEARCH_DATA names no folder with faces_orl.npz")
def test_an_embedding_made_from_some_people_tells_others_apart_better_than_their_pixels():
    rows, person = faces()
    known, strangers = person < 20, person >= 20
    embed = whiten(rows[known], person[known])
    every, drawn = all_pairs(person[strangers]), draw_pairs(person[strangers], 1800, seed=0)
    found, accuracy, accepted = [], [], []
    for embedding in (rows[strangers], embed(rows[strangers])):
        found.append(retrieval_figures(Embedded(embedding, person[strangers])))
        accuracy.append(verification_accuracy(pair_distances(embedding, drawn), drawn.same_P)[0])
        accepted.append(true_accept_rates(pair_distances(embedding, every), every.same_P, (1e-2, 1e-3)))
    assert found[1]["rank_1"] >= found[0]["rank_1"] > 0.95  # 9 of 199 by chance
    assert found[1]["mean_average_precision"] > found[0]["mean_average_precision"] + 0.1 > 0.7
    assert accuracy[1] > accuracy[0] + 0.05 > 0.8
    assert accepted[1][1e-2] > accepted[0][1e-2] + 0.1 > 0.5
    assert accepted[1][1e-3] > accepted[0][1e-3] + 0.1 > 0.3
    apart = pair_distances(embed(rows[strangers]), every)
    assert float(apart[every.same_P].mean()) < 0.6 * float(apart[~every.same_P].mean())


@pytest.mark.skipif("KDSEARCH_DATA" not in os.environ, reason="KDSEARCH_DATA names no folder with faces_orl.npz")
def test_names_dealt_out_at_random_are_found_by_chance():
    rows, person = faces()
    dealt = person[torch.randperm(400, generator=torch.Generator().manual_seed(0))]
    figures = retrieval_figures(Embedded(rows, dealt))
    drawn = draw_pairs(dealt, 3600, seed=0)
    assert figures["rank_1"] == pytest.approx(9 / 399, abs=0.03)
    assert verification_accuracy(pair_distances(rows, drawn), drawn.same_P)[0] == pytest.approx(0.5, abs=0.04)
