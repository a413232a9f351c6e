from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from kdsearch.spec.sections import Recipe
from kdsearch.training.optim import learning_rate, make_optimizer


def rates(steps=10, per_epoch=5, **recipe):
    return [learning_rate(Recipe(learning_rate=1.0, **recipe), step, steps, per_epoch) for step in range(steps)]


def test_cosine_is_full_at_first_half_in_the_middle_and_above_zero_at_last():
    made = rates(schedule="cosine")
    assert made[0] == 1
    assert made[5] == pytest.approx(0.5)
    assert made[9] == pytest.approx((1 + math.cos(0.9 * math.pi)) / 2)


def test_linear_falls_in_equal_parts_to_one_part():
    assert rates(schedule="linear") == pytest.approx([1 - n / 10 for n in range(10)])


def test_step_takes_a_tenth_after_each_milestone():
    assert rates(schedule="step", milestones=(0.5, 0.8)) == pytest.approx([1] * 5 + [0.1] * 3 + [0.01] * 2)


def test_warmup_rises_to_the_full_rate_and_the_schedule_follows():
    made = rates(schedule="linear", warmup_epochs=0.8)
    assert made[:4] == pytest.approx([0.25, 0.5, 0.75, 1])
    assert made[4:] == pytest.approx([1 - n / 6 for n in range(6)])


@given(
    st.sampled_from(["linear", "cosine", "step", "constant"]),
    st.floats(0, 50),
    st.integers(1, 40),
    st.integers(1, 20),
)
def test_every_rate_is_above_zero_and_at_most_the_full_one(schedule, warmup, steps, per_epoch):
    recipe = Recipe(learning_rate=0.3, schedule=schedule, warmup_epochs=warmup)
    made = [learning_rate(recipe, step, steps, per_epoch) for step in range(steps)]
    assert all(0 < rate <= 0.3 for rate in made)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_weight_decay_leaves_biases_and_norms_alone(name):
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2))
    before = {key: value.clone() for key, value in net.named_parameters()}
    optimizer = make_optimizer(Recipe(optimizer=name, learning_rate=0.5, weight_decay=0.1), net)
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for key, value in net.named_parameters():
        expected = before[key] * (0.95 if value.ndim >= 2 else 1)
        assert torch.allclose(value, expected)


def test_sgd_step_is_the_textbooks():
    weight = nn.Parameter(torch.ones(1, 1))
    optimizer = make_optimizer(Recipe(learning_rate=0.1, momentum=0.9, weight_decay=0.01), [weight])
    expected, speed = 1.0, 0.0
    for gradient in (2.0, -1.0, 0.5):
        weight.grad = torch.full((1, 1), gradient)
        optimizer.step()
        speed = 0.9 * speed + gradient + 0.01 * expected
        expected -= 0.1 * speed
        assert float(weight.detach()) == pytest.approx(expected)
