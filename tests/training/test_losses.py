from __future__ import annotations

import math

import pytest
import torch

from kdsearch.training.losses import cross_entropy, kd_loss


def logits(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).float()


def test_cross_entropy_of_equal_logits_is_log_of_the_classes():
    assert float(cross_entropy(torch.zeros(4, 5), torch.tensor([0, 1, 2, 3]))) == pytest.approx(math.log(5))


def test_smoothing_mixes_in_the_mean_over_all_classes():
    student, labels = logits(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    minus_log = -torch.log_softmax(student, 1)
    expected = 0.9 * minus_log[torch.arange(6), labels].mean() + 0.1 * minus_log.mean()
    assert float(cross_entropy(student, labels, 0.1)) == pytest.approx(float(expected))


def test_kd_loss_is_the_divergence_summed_by_hand():
    student, teacher, tau = logits(3, 4, seed=1), logits(3, 4, seed=2), 4.0
    expected = 0.0
    for s, t in zip(student.tolist(), teacher.tolist(), strict=True):
        p = [math.exp(v / tau) / sum(math.exp(w / tau) for w in t) for v in t]
        q = [math.exp(v / tau) / sum(math.exp(w / tau) for w in s) for v in s]
        expected += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)) / 3
    assert float(kd_loss(student, teacher, tau)) == pytest.approx(tau**2 * expected, rel=1e-5)


def test_kd_loss_of_equal_logits_is_zero():
    assert float(kd_loss(logits(3, 4), logits(3, 4), 2.0)) == pytest.approx(0, abs=1e-6)
