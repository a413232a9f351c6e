from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch

from kdsearch.errors import SpecError
from kdsearch.losses.pointwise import (
    attention_loss,
    cross_entropy,
    dist_loss,
    dkd_loss,
    hint_loss,
    kd_loss,
)
from tests.losses import properties
from tests.losses.properties import numbers, value_and_gradient

LABELS = torch.tensor([0, 3, 1, 1, 4, 2])


def dkd(student, teacher, **options):
    """Each image's label travels with it: the teacher's favourite among the first classes."""
    return dkd_loss(student, teacher, teacher.float().argmax(1), **options)


LOSSES = {
    "kd": (partial(kd_loss, temperature=4.0), (6, 5)),
    "kd, standardized": (partial(kd_loss, temperature=2.0, standardize=True), (6, 5)),
    "dkd": (dkd, (6, 5)),
    "dist": (dist_loss, (6, 5)),
    "hint": (hint_loss, (6, 5, 4, 4)),
    "attention": (attention_loss, (6, 5, 4, 4)),
}
each_loss = pytest.mark.parametrize(("loss", "shape"), LOSSES.values(), ids=LOSSES)


@each_loss
def test_a_loss_and_its_gradient_are_zero_where_student_and_teacher_agree(loss, shape):
    if loss is attention_loss:  # squares do not see the sign that the check turns round
        assert value_and_gradient(loss, numbers(*shape), numbers(*shape)) == (0, pytest.approx(0))
    else:
        properties.check_zero_where_equal(loss, numbers(*shape))


@each_loss
def test_a_loss_depends_neither_on_the_order_nor_on_the_size_of_the_batch(loss, shape):
    properties.check_order_does_not_matter(loss, numbers(*shape), numbers(*shape, seed=1))
    properties.check_batch_size_does_not_matter(loss, numbers(*shape), numbers(*shape, seed=1))


@each_loss
def test_a_gradient_is_the_slope_of_the_value_and_the_teacher_gets_none(loss, shape):
    properties.check_gradient(loss, numbers(*shape), numbers(*shape, seed=1))


@each_loss
def test_bfloat16_is_computed_in_float32(loss, shape):
    properties.check_full_precision(loss, numbers(*shape), numbers(*shape, seed=1))


@each_loss
def test_nothing_overflows_or_divides_by_zero_in_bfloat16(loss, shape):
    properties.check_finite(loss, numbers(*shape), numbers(*shape, seed=1))


def test_cross_entropy_of_equal_logits_is_log_of_the_classes():
    assert float(cross_entropy(torch.zeros(4, 5), torch.tensor([0, 1, 2, 3]))) == pytest.approx(math.log(5))


def test_smoothing_mixes_in_the_mean_over_all_classes():
    student = numbers(6, 5)
    minus_log = -torch.log_softmax(student, 1)
    expected = 0.9 * minus_log[torch.arange(6), LABELS].mean() + 0.1 * minus_log.mean()
    assert float(cross_entropy(student, LABELS, 0.1)) == pytest.approx(float(expected))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_shares_of_two_classes_give_the_same_shares_of_their_cross_entropies(smoothing):
    student, other = numbers(6, 5), (LABELS + 1) % 5
    shares = 0.3 * torch.eye(5)[LABELS] + 0.7 * torch.eye(5)[other]
    each = [float(cross_entropy(student, label, smoothing)) for label in (LABELS, other)]
    assert float(cross_entropy(student, shares, smoothing)) == pytest.approx(0.3 * each[0] + 0.7 * each[1])


def test_cross_entropy_in_bfloat16_is_computed_in_float32():
    student = (1e4 * numbers(6, 5)).bfloat16()
    for target in (LABELS, torch.eye(5)[LABELS]):
        value, gradient = value_and_gradient(lambda own, _, target=target: cross_entropy(own, target), student, student)
        assert value == pytest.approx(float(cross_entropy(student.double(), target)))
        assert torch.isfinite(gradient).all()


def test_the_gradient_of_cross_entropy_is_the_slope_of_the_value():
    for target in (LABELS, torch.softmax(numbers(6, 5, seed=1), 1)):
        assert torch.autograd.gradcheck(
            lambda own, target=target: cross_entropy(own, target, 0.1), numbers(6, 5).requires_grad_()
        )


def softened(row, tau):
    whole = sum(math.exp(value / tau) for value in row)
    return [math.exp(value / tau) / whole for value in row]


def divergence(teacher, student):
    return sum(p * math.log(p / q) for p, q in zip(teacher, student, strict=True))


def test_kd_loss_is_the_divergence_summed_by_hand():
    student, teacher, tau = numbers(3, 4, seed=1), numbers(3, 4, seed=2), 4.0
    rows = zip(student.tolist(), teacher.tolist(), strict=True)
    expected = sum(divergence(softened(t, tau), softened(s, tau)) for s, t in rows) / 3
    assert float(kd_loss(student, teacher, tau)) == pytest.approx(tau**2 * expected, rel=1e-9)


def test_standardized_logits_have_mean_0_and_deviation_1():
    student, teacher, tau = numbers(3, 4, seed=1), numbers(3, 4, seed=2), 2.0
    s, t = (((z - z.mean(1, keepdim=True)) / z.std(1, correction=0, keepdim=True)) for z in (student, teacher))
    made = kd_loss(student, teacher, tau, standardize=True)
    assert float(made) == pytest.approx(float(kd_loss(s, t, tau)), rel=1e-9)


def test_a_standardized_student_may_have_a_scale_and_a_place_of_its_own():
    student, teacher = numbers(3, 4, seed=1), numbers(3, 4, seed=2)
    made = float(kd_loss(student, teacher, 2.0, standardize=True))
    assert float(kd_loss(7 * student + 3, teacher, 2.0, standardize=True)) == pytest.approx(made, rel=1e-9)
    assert float(kd_loss(student, teacher, 2.0)) != pytest.approx(float(kd_loss(7 * student + 3, teacher, 2.0)))


def test_dkd_loss_is_both_parts_summed_by_hand():
    student, teacher, labels, tau = numbers(3, 4, seed=1), numbers(3, 4, seed=2), [2, 0, 3], 4.0
    target = others = 0.0
    for s, t, label in zip(student.tolist(), teacher.tolist(), labels, strict=True):
        q, p = softened(s, tau)[label], softened(t, tau)[label]
        target += divergence([p, 1 - p], [q, 1 - q]) / 3
        rest_s, rest_t = ([v for at, v in enumerate(row) if at != label] for row in (s, t))
        others += divergence(softened(rest_t, tau), softened(rest_s, tau)) / 3
    made = dkd_loss(student, teacher, torch.tensor(labels), alpha=0.5, beta=3.0, temperature=tau)
    assert float(made) == pytest.approx(tau**2 * (0.5 * target + 3 * others), rel=1e-9)


def test_dkd_loss_is_kd_loss_when_others_weigh_what_the_teacher_gives_them():
    student, teacher, tau = numbers(1, 5, seed=1), numbers(1, 5, seed=2), 2.0
    share = 1 - float(torch.softmax(teacher / tau, 1)[0, 3])
    made = dkd_loss(student, teacher, torch.tensor([3]), alpha=1.0, beta=share, temperature=tau)
    assert float(made) == pytest.approx(float(kd_loss(student, teacher, tau)), rel=1e-9)


def test_dkd_loss_counts_the_others_where_their_probability_is_zero_in_float32():
    certain = torch.tensor([[400.0, 1.0, 0.0]])
    student = torch.tensor([[400.0, 0.0, 1.0]])
    expected = divergence(softened([1, 0], 1), softened([0, 1], 1))  # nothing but the others' order differs
    made = dkd_loss(student, certain, torch.tensor([0]), alpha=1.0, beta=1.0, temperature=1.0)
    assert float(made) == pytest.approx(expected, rel=1e-6)


def test_dist_loss_is_one_minus_the_correlations_of_numpy():
    student, teacher, tau = numbers(6, 5, seed=1), numbers(6, 5, seed=2), 2.0
    s, t = (np.array([softened(row, tau) for row in logits.tolist()]) for logits in (student, teacher))
    images = np.mean([1 - np.corrcoef(a, b)[0, 1] for a, b in zip(s, t, strict=True)])
    classes = np.mean([1 - np.corrcoef(a, b)[0, 1] for a, b in zip(s.T, t.T, strict=True)])
    made = dist_loss(student, teacher, beta=2.0, gamma=0.5, temperature=tau)
    assert float(made) == pytest.approx(2 * images + 0.5 * classes, rel=1e-9)


def test_dist_loss_has_a_gradient_that_a_temperature_does_not_shrink():
    student, teacher = numbers(6, 5, seed=1), numbers(6, 5, seed=2)
    sizes = [value_and_gradient(partial(dist_loss, temperature=tau), student, teacher)[1].norm() for tau in (8, 64)]
    assert 0.8 < float(sizes[1] / sizes[0]) < 1.25


def test_dist_loss_is_a_half_where_only_the_student_cannot_tell_classes_apart():
    made = dist_loss(torch.ones(6, 5), numbers(6, 5), beta=1.0, gamma=0.0)
    assert float(made) == pytest.approx(0.5)


def test_hint_loss_is_the_mean_square_of_the_differences():
    assert float(hint_loss(torch.tensor([[1.0, 2.0]]), torch.tensor([[4.0, 0.0]]))) == (9 + 4) / 2


def test_losses_of_equal_shapes_name_the_shapes_that_differ():
    with pytest.raises(SpecError, match=r"hint: the student gives \(2, 3\), the teacher \(2, 4\)"):
        hint_loss(torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(SpecError, match=r"kd: the student gives \(2, 3\), the teacher \(2, 1\)"):
        kd_loss(torch.zeros(2, 3), torch.zeros(2, 1))


def test_attention_loss_is_that_of_maps_averaged_to_the_smaller_by_hand():
    student, teacher = numbers(2, 3, 4, 2, seed=1), numbers(2, 5, 2, 4, seed=2)
    expected = 0.0
    for s, t in zip(student.numpy(), teacher.numpy(), strict=True):
        high, wide = (s**2).mean(0), (t**2).mean(0)
        own = np.array([[high[2 * y : 2 * y + 2, x].mean() for x in range(2)] for y in range(2)]).ravel()
        other = np.array([[wide[y, 2 * x : 2 * x + 2].mean() for x in range(2)] for y in range(2)]).ravel()
        expected += ((own / np.sqrt((own**2).sum()) - other / np.sqrt((other**2).sum())) ** 2).mean() / 2
    assert float(attention_loss(student, teacher)) == pytest.approx(expected, rel=1e-9)


def test_attention_loss_sees_neither_the_scale_nor_the_number_of_channels():
    student, teacher = numbers(2, 3, 4, 4, seed=1), numbers(2, 3, 4, 4, seed=2)
    made = float(attention_loss(student, teacher))
    assert float(attention_loss(5 * student, teacher.repeat(1, 2, 1, 1))) == pytest.approx(made, rel=1e-9)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_an_image_of_weight_two_counts_as_two_images_do(smoothing):
    logits_BC, label_B = torch.randn(6, 5, generator=torch.Generator().manual_seed(0)), LABELS
    weight_C = torch.tensor([1.0, 2.0, 1.0, 1.0, 1.0])  # of the six images, two are of class 1
    each = [float(cross_entropy(logits_BC[at : at + 1], label_B[at : at + 1], smoothing)) for at in range(6)]
    expected = sum(loss * (2 if label == 1 else 1) for loss, label in zip(each, label_B.tolist(), strict=True)) / 6
    assert float(cross_entropy(logits_BC, label_B, smoothing, weight_C)) == pytest.approx(expected)
    shares_BC = torch.nn.functional.one_hot(label_B, 5).float()
    assert float(cross_entropy(logits_BC, shares_BC, smoothing, weight_C)) == pytest.approx(expected)
    even = cross_entropy(logits_BC, label_B, smoothing, torch.ones(5))
    assert float(even) == pytest.approx(float(cross_entropy(logits_BC, label_B, smoothing)))


def test_a_mixed_image_weighs_what_its_shares_do():
    logits_BC, target_BC = torch.tensor([[0.5, -1.0]]), torch.tensor([[0.25, 0.75]])
    weight = 0.25 * 1 + 0.75 * 5
    expected = weight * float(cross_entropy(logits_BC, target_BC))
    assert float(cross_entropy(logits_BC, target_BC, 0.0, torch.tensor([1.0, 5.0]))) == pytest.approx(expected)
