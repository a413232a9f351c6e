import math

import pytest
import torch

from kdsearch.datafree.gauges import (
    absent_classes,
    agreement,
    answer_all,
    class_entropy,
    divergence,
    diversity,
    make_fresh,
)
from tests.datafree.test_learner import learner
from tests.toys import make_toy


def answers(*labels: int, classes: int = 3) -> torch.Tensor:
    return 9.0 * torch.eye(classes)[list(labels)]


def test_entropy_is_one_of_equal_classes_and_little_of_one():
    assert class_entropy(answers(*range(3)).repeat(100, 1)) == 1
    assert class_entropy(answers(1, 1, 1, 1)) == 0
    halves = answers(0, 1).repeat(500, 1)
    assert class_entropy(halves) == pytest.approx((math.log(2) + 1 / 2000) / math.log(3))


def test_few_images_of_many_classes_are_not_taken_for_unequal():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(1000, (1000,), generator=generator).tolist()
    assert class_entropy(answers(*labels, classes=1000)) > 0.95


def test_a_class_is_absent_only_where_it_would_have_been_seen():
    assert absent_classes(answers(0, 2).repeat(30, 1)) == (1,)
    assert absent_classes(answers(0, 2).repeat(29, 1)) == (), "20 of each are wanted"
    assert absent_classes(answers(0, 1, 2).repeat(30, 1)) == ()


def test_diversity_is_in_grey_levels():
    assert diversity(torch.tensor([0, 200], dtype=torch.uint8).view(2, 1, 1, 1)) == 100
    assert diversity(torch.full((9, 1, 2, 2), 7, dtype=torch.uint8)) == 0


def test_agreement_and_divergence_are_those_of_the_answers():
    taught = torch.tensor([[0.0, 0, 0], [9, 0, 0]])
    said = torch.tensor([[0.0, 0, 0], [0, 9, 0]])
    assert agreement(said, taught) == 0.5
    by_hand = (taught[1].softmax(0) * (taught[1].log_softmax(0) - said[1].log_softmax(0))).sum() / 2
    assert divergence(said, taught.half()) == pytest.approx(float(by_hand), rel=1e-5)


def test_a_student_answers_with_the_weights_that_it_is_lent_and_keeps_its_own():
    student, other = make_toy(0, trained=True).train(), make_toy(1, trained=True).eval()
    pixels = torch.randint(256, (7, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    lent = answer_all(student, pixels, ((0.3,), (0.3,)), other.state_dict())
    assert torch.allclose(lent, answer_all(other, pixels, ((0.3,), (0.3,))))
    assert not torch.allclose(lent, answer_all(student, pixels, ((0.3,), (0.3,))))
    assert student.training


def test_fresh_images_come_in_batches_of_the_training_and_are_answered():
    made = learner()
    with torch.random.fork_rng():
        fresh = make_fresh(made.synthesiser, 70)  # 32, 32 and 6
    assert len(fresh.pixels_NCHW) == len(fresh.logits_NC) == 70
    assert torch.allclose(fresh.logits_NC, made.teacher.answer(fresh.pixels_NCHW, {})[0], atol=1e-4)
    assert fresh.batch_norm_distance is None
