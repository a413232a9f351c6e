"""Each loss of DAFL against its formula, written out in float64, number by number."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from kdsearch.losses.synthesis import (
    activation_loss,
    batch_norm_distance,
    batch_norm_loss,
    disagreement_loss,
    information_entropy_loss,
    one_hot_loss,
    total_variation_loss,
)

RNG = np.random.default_rng(0)
LOGITS = [
    3 * RNG.normal(size=(16, 10)),
    RNG.normal(size=(5, 3)),
    np.array([[60.0, -60, 0], [0, 60, -60]]),  # certain
    np.zeros((4, 100)),
]
every_answer = pytest.mark.parametrize("logits_BC", LOGITS, ids=["ten", "three", "certain", "even"])


def shares(logits_BC):
    raised = np.exp(logits_BC - logits_BC.max(1, keepdims=True))
    return raised / raised.sum(1, keepdims=True)


def tensor(array):
    return torch.from_numpy(np.asarray(array, dtype=np.float32))


@every_answer
def test_one_hot_is_the_mean_of_minus_the_logarithm_of_the_largest_share(logits_BC):
    expected = np.mean([-math.log(max(row)) for row in shares(logits_BC)])
    assert one_hot_loss(tensor(logits_BC)).item() == pytest.approx(expected, abs=1e-6)


@every_answer
@pytest.mark.parametrize("base", [10.0, math.e])
def test_entropy_is_that_of_the_batchs_mean_shares(logits_BC, base):
    expected = sum(share * math.log(share, base) for share in shares(logits_BC).mean(0) if share > 0)
    assert information_entropy_loss(tensor(logits_BC), base=base).item() == pytest.approx(expected, abs=1e-6)


def test_entropy_in_decimal_logarithms_is_minus_one_for_ten_classes_alike_and_nothing_for_one():
    assert information_entropy_loss(torch.eye(10) * 90).item() == pytest.approx(-1, abs=1e-6)
    assert information_entropy_loss(torch.eye(10)[:1] * 90).item() == pytest.approx(0, abs=1e-6)


def test_a_class_that_nothing_is_of_leaves_the_entropys_gradient_finite():
    logits_BC = torch.tensor([[500.0, -500.0, 0.0]], requires_grad=True)
    information_entropy_loss(logits_BC).backward()
    assert logits_BC.grad.isfinite().all()


def test_activation_is_minus_the_mean_size_whatever_the_signs():
    feature = RNG.normal(size=(6, 4, 2, 2))
    expected = -sum(abs(number) for number in feature.ravel()) / feature.size
    assert activation_loss(tensor(feature)).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("shape", [(8, 3), (8, 3, 5, 4)])
def test_batch_norm_distance_is_the_length_of_both_differences(shape):
    maps, mean, variance = RNG.normal(size=shape), RNG.normal(size=3), RNG.random(3)
    found = [maps[:, channel].ravel() for channel in range(3)]
    means = [sum(values) / len(values) for values in found]
    spreads = [sum((v - m) ** 2 for v in values) / len(values) for values, m in zip(found, means, strict=True)]
    expected = math.dist(means, mean) + math.dist(spreads, variance)
    measured = batch_norm_distance(tensor(maps), tensor(mean), tensor(variance))
    assert measured.item() == pytest.approx(expected, abs=1e-6)
    assert batch_norm_loss([measured, measured]).item() == pytest.approx(2 * expected, abs=2e-6)


def test_disagreement_is_minus_the_mean_difference_of_logits():
    one, other = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3))
    expected = -sum(abs(a - b) for a, b in zip(one.ravel(), other.ravel(), strict=True)) / 12
    assert disagreement_loss(tensor(one), tensor(other)).item() == pytest.approx(expected, abs=1e-6)


def test_total_variation_is_the_mean_step_across_plus_the_mean_step_down():
    image = np.array([[[[0.0, 1, 3], [2, 2, 2]]]])
    assert total_variation_loss(tensor(image)).item() == pytest.approx((1 + 2 + 0 + 0) / 4 + (2 + 1 + 1) / 3)


@pytest.mark.parametrize("loss", [one_hot_loss, information_entropy_loss, activation_loss, total_variation_loss])
def test_half_precision_is_summed_in_full(loss):
    numbers = (3 * torch.randn(64, 10, 2, 2, generator=torch.Generator().manual_seed(0))).bfloat16()
    if loss in (one_hot_loss, information_entropy_loss):
        numbers = numbers[:, :, 0, 0]
    assert loss(numbers).dtype == torch.float32
    assert loss(numbers).item() == pytest.approx(loss(numbers.double()).item(), abs=1e-5)
