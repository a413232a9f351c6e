from __future__ import annotations

import math
from functools import partial
from itertools import product

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from kdsearch.losses import relations
from kdsearch.losses.relations import angle_loss, correlation_loss, correlation_matrix, distance_loss, similarity_loss
from kdsearch.losses.rows import unit_rows
from tests.losses import properties
from tests.losses.properties import numbers, value_and_gradient

KERNELS = {
    "mmd": {},
    "bilinear": {},
    "rbf": {"gamma": 0.7},
    "rbf_taylor": {"gamma": 0.7, "order": 3},
}
LOSSES = {
    "similarity": similarity_loss,
    "distance": distance_loss,
    "angle": angle_loss,
    **{kernel: partial(correlation_loss, kernel=kernel, **options) for kernel, options in KERNELS.items()},
}
STUDENT, TEACHER = numbers(6, 5), numbers(6, 8, seed=1)
each_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
each_kernel = pytest.mark.parametrize(("kernel", "options"), KERNELS.items(), ids=KERNELS)


def turned(rows, seed=3):
    """Every row by one rotation."""
    return rows @ torch.linalg.qr(numbers(rows.shape[1], rows.shape[1], seed=seed)).Q


def squashed(rows):
    """Other relations than those of ``rows``."""
    return rows * torch.linspace(0.1, 3, rows.shape[1], dtype=rows.dtype)


@each_loss
def test_a_loss_and_its_gradient_are_zero_where_student_and_teacher_agree(loss):
    value, gradient = value_and_gradient(loss, STUDENT, STUDENT)
    assert value == pytest.approx(0, abs=1e-12)
    assert gradient.abs().max() < 1e-9
    assert value_and_gradient(loss, squashed(STUDENT), STUDENT)[0] > 1e-4


@each_loss
def test_a_loss_depends_neither_on_the_order_nor_on_the_size_of_the_batch(loss):
    properties.check_order_does_not_matter(loss, STUDENT, TEACHER)
    if loss is similarity_loss:  # rows of length 1 over the batch: by the paper's formula it falls as 1 / B
        twice = loss(*(rows.repeat_interleave(2, 0) for rows in (STUDENT, TEACHER)))
        assert 2 * twice.item() == pytest.approx(loss(STUDENT, TEACHER).item(), rel=1e-9)
    else:
        properties.check_batch_size_does_not_matter(loss, STUDENT, TEACHER)


@each_loss
def test_a_gradient_is_the_slope_of_the_value_and_the_teacher_gets_none(loss):
    properties.check_gradient(loss, STUDENT, TEACHER)


@each_loss
def test_bfloat16_is_computed_in_float32(loss):
    properties.check_full_precision(loss, STUDENT, TEACHER)


@each_loss
def test_nothing_overflows_or_divides_by_zero_in_bfloat16(loss):
    properties.check_finite(loss, STUDENT, TEACHER)


@each_loss
def test_a_batch_of_one_has_nothing_to_learn(loss):
    value, gradient = value_and_gradient(loss, STUDENT[:1], TEACHER[:1])
    assert value == pytest.approx(0, abs=1e-9)
    assert gradient.abs().max() < 1e-9


@each_loss
def test_a_loss_sees_neither_the_scale_nor_the_width_nor_the_shape_of_the_features(loss):
    made = loss(STUDENT, TEACHER).item()
    assert loss(5 * STUDENT, torch.cat((TEACHER, TEACHER), 1)).item() == pytest.approx(made, rel=1e-9)
    assert loss(STUDENT, TEACHER.view(6, 2, 2, 2)).item() == pytest.approx(made, rel=1e-12)


@pytest.mark.parametrize("name", sorted(LOSSES.keys() - {"mmd"}))
def test_a_loss_does_not_see_a_rotation_of_either_side(name):
    made = LOSSES[name](STUDENT, TEACHER).item()
    assert LOSSES[name](turned(STUDENT), turned(TEACHER)).item() == pytest.approx(made, rel=1e-9)


@pytest.mark.parametrize("name", ["distance", "angle"])
def test_distances_and_angles_do_not_see_where_the_origin_is(name):
    made = LOSSES[name](STUDENT, TEACHER).item()
    assert LOSSES[name](STUDENT + 100, TEACHER - 7).item() == pytest.approx(made, rel=1e-9)
    # products of rows 1000 from the origin lack the digits of distances near 1
    assert LOSSES[name](STUDENT.float() + 1000, TEACHER.float()).item() == pytest.approx(made, rel=1e-3)


@pytest.mark.parametrize("name", ["distance", "angle"])
def test_rows_that_are_equal_up_to_the_rounding_of_their_products_are_equal(name):
    student, teacher = numbers(8, 512, dtype=torch.float32), numbers(8, 512, seed=1, dtype=torch.float32)
    value, gradient = value_and_gradient(LOSSES[name], student, teacher)
    nearly = student.repeat(8, 1) + 1e-6 * numbers(64, 512, seed=2, dtype=torch.float32)
    often = value_and_gradient(LOSSES[name], nearly, teacher.repeat(8, 1))
    assert often[0] == pytest.approx(value, rel=1e-4)
    assert torch.allclose(8 * often[1][:8], gradient, atol=1e-3 * float(gradient.abs().max()))


def dot(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True))


def mean_square(one, other):
    pairs = [(a, b) for rows in zip(one, other, strict=True) for a, b in zip(*rows, strict=True)]
    return sum((a - b) ** 2 for a, b in pairs) / len(pairs)


def huber(difference):
    return difference**2 / 2 if abs(difference) < 1 else abs(difference) - 0.5


def test_similarity_loss_is_the_double_sum_by_hand():
    def normalised(rows):
        products = [[dot(a, b) for b in rows] for a in rows]
        return [[value / math.sqrt(dot(row, row)) for value in row] for row in products]

    expected = mean_square(normalised(STUDENT.tolist()), normalised(TEACHER.tolist()))
    assert similarity_loss(STUDENT, TEACHER).item() == pytest.approx(expected, rel=1e-9)


def test_distance_loss_is_the_double_sum_by_hand():
    def relative(rows):
        distances = [[math.dist(a, b) for b in rows] for a in rows]
        mean = sum(map(sum, distances)) / (len(rows) * (len(rows) - 1))
        return [value / mean for row in distances for value in row]

    # far enough apart for Huber's straight part
    student, teacher = (10 * STUDENT.square()).square(), TEACHER
    pairs = list(zip(relative(student.tolist()), relative(teacher.tolist()), strict=True))
    assert max(abs(a - b) for a, b in pairs) > 1
    expected = sum(huber(a - b) for a, b in pairs) / 36
    assert distance_loss(student, teacher).item() == pytest.approx(expected, rel=1e-9)


def test_angle_loss_is_the_triple_sum_by_hand():
    def cosine(rows, i, j, k):
        one, other = ([a - b for a, b in zip(rows[at], rows[j], strict=True)] for at in (i, k))
        lengths = math.sqrt(dot(one, one)) * math.sqrt(dot(other, other))
        return dot(one, other) / lengths if lengths else 0.0

    student, teacher = STUDENT.tolist(), TEACHER.tolist()
    triples = list(product(range(6), repeat=3))
    expected = sum(huber(cosine(student, *triple) - cosine(teacher, *triple)) for triple in triples) / 6**3
    assert angle_loss(STUDENT, TEACHER).item() == pytest.approx(expected, rel=1e-9)


def test_angles_a_vertex_at_a_time_are_the_angles_at_once(monkeypatch):
    at_once = value_and_gradient(angle_loss, STUDENT, TEACHER)
    monkeypatch.setattr(relations, "_AT_ONCE", 72)  # two vertices
    value, gradient = value_and_gradient(angle_loss, STUDENT, TEACHER)
    assert value == pytest.approx(at_once[0], rel=1e-12)
    assert torch.allclose(gradient, at_once[1], rtol=1e-9)


class Largest(TorchDispatchMode):
    """How many numbers the largest tensor has that any operation gives."""

    numel = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        given = function(*args, **(kwargs or {}))
        for tensor in given if isinstance(given, tuple | list) else (given,):
            self.numel = max(self.numel, tensor.numel() if isinstance(tensor, torch.Tensor) else 0)
        return given


def test_angles_of_n_samples_take_memory_of_n_squared(monkeypatch):
    monkeypatch.setattr(relations, "_AT_ONCE", 1)
    student, teacher = numbers(40, 8).requires_grad_(), numbers(40, 8, seed=1)
    kept = 0

    def count(tensor):
        nonlocal kept
        kept += tensor.numel()
        return tensor

    with Largest() as largest:
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            value = angle_loss(student, teacher)
        value.backward()
    assert largest.numel == 40**2
    assert kept < 12 * 40**2


def kernel_by_hand(kernel, one, other, gamma=0.4, order=2):
    if kernel == "mmd":
        return abs(sum(one) - sum(other)) / math.sqrt(len(one))  # of rows sqrt(D) long
    if kernel == "bilinear":
        return dot(one, other)
    if kernel == "rbf":
        return math.exp(-gamma * math.dist(one, other) ** 2)
    terms = ((2 * gamma) ** p / math.factorial(p) * dot(one, other) ** p for p in range(order + 1))
    return math.exp(-2 * gamma) * sum(terms)


def matrix_by_hand(kernel, rows, **options):
    unit = [[value / math.sqrt(dot(row, row)) for value in row] for row in rows.tolist()]
    return [[kernel_by_hand(kernel, one, other, **options) for other in unit] for one in unit]


@each_kernel
def test_correlation_loss_is_the_double_sum_by_hand(kernel, options):
    expected = mean_square(*(matrix_by_hand(kernel, rows, **options) for rows in (STUDENT, TEACHER)))
    assert expected > 1e-4
    made = correlation_loss(STUDENT, TEACHER, kernel=kernel, **options)
    assert made.item() == pytest.approx(expected, rel=1e-9)


@each_kernel
def test_a_correlation_matrix_in_float32_agrees_with_its_kernel_by_hand(kernel, options):
    rows = numbers(20, 12, seed=4)
    made = correlation_matrix(rows.float(), kernel=kernel, **options)
    expected = torch.tensor(matrix_by_hand(kernel, rows, **options))
    assert made.dtype == torch.float32
    assert (made - expected).abs().max() < 1e-6


@each_kernel
def test_the_written_gradient_is_that_of_autograd(kernel, options):
    def plain(student, teacher):
        made = (correlation_matrix(rows, kernel=kernel, **options) for rows in (student, teacher))
        return torch.nn.functional.mse_loss(*made)

    value, gradient = value_and_gradient(partial(correlation_loss, kernel=kernel, **options), STUDENT, TEACHER)
    by_autograd = value_and_gradient(plain, STUDENT, TEACHER)
    assert value == pytest.approx(by_autograd[0], rel=1e-12)
    assert torch.allclose(gradient, by_autograd[1], rtol=1e-9, atol=1e-15)


def test_the_written_gradient_keeps_its_precision_under_autocast():
    student, teacher = STUDENT.float(), TEACHER.float()
    gradient = value_and_gradient(correlation_loss, student, teacher)[1]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(value_and_gradient(correlation_loss, student, teacher)[1], gradient)


def test_a_gradient_is_scaled_by_what_the_loss_is_multiplied_with():
    plain = value_and_gradient(correlation_loss, STUDENT, TEACHER)[1]
    weighted = value_and_gradient(lambda own, other: 30 * correlation_loss(own, other), STUDENT, TEACHER)[1]
    assert torch.allclose(weighted, 30 * plain)


@pytest.mark.parametrize("gamma", [0.1, 0.4, 1.0])
def test_the_series_converges_to_the_exact_kernel(gamma):
    exact = correlation_matrix(STUDENT, kernel="rbf", gamma=gamma)
    gaps = [
        float((correlation_matrix(STUDENT, kernel="rbf_taylor", gamma=gamma, order=order) - exact).abs().max())
        for order in (1, 2, 4, 8, 16)
    ]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < 1e-9


def test_the_papers_order_leaves_a_gap_that_is_known():
    # same rows, cosine 1: 1 - e^-0.8 (1 + 0.8 + 0.32)
    gap = 1 - math.exp(-0.8) * 2.12
    made = correlation_matrix(STUDENT, kernel="rbf_taylor", gamma=0.4, order=2).diagonal()
    assert made.tolist() == pytest.approx([1 - gap] * 6)
    assert correlation_matrix(STUDENT).diagonal().tolist() == pytest.approx([1] * 6)


def test_a_correlation_loss_lowers_by_descent():
    student = STUDENT.clone().requires_grad_()
    start = correlation_loss(student, TEACHER).item()
    optimizer = torch.optim.Adam([student], 0.05)
    for _ in range(200):
        optimizer.zero_grad()
        correlation_loss(student, TEACHER).backward()
        optimizer.step()
    assert correlation_loss(student, TEACHER).item() < start / 100
    assert torch.allclose(
        unit_rows(student) @ unit_rows(student).T, unit_rows(TEACHER) @ unit_rows(TEACHER).T, atol=0.1
    )


def test_kernels_and_orders_that_do_not_exist_are_named():
    with pytest.raises(ValueError, match="kernel 'gauss', order 2: known are mmd, bilinear, rbf, rbf_taylor"):
        correlation_loss(STUDENT, TEACHER, kernel="gauss")
    with pytest.raises(ValueError, match=r"order 0: .*order 1 or more"):
        correlation_matrix(STUDENT, kernel="rbf_taylor", order=0)
