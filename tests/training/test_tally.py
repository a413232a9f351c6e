"""Figures of an epoch under way."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kdsearch.tasks.classification import Classification
from kdsearch.training.tally import Tally


def steps(count: int, *, mixed: bool = False):
    random = torch.Generator().manual_seed(0)
    for _ in range(count):
        logits = torch.randn(5, 3, generator=random, requires_grad=True)
        labels = torch.randint(3, (5,), generator=random)
        targets = 0.7 * nn.functional.one_hot(labels, 3) + 0.1
        yield nn.functional.cross_entropy(logits, labels), logits, targets if mixed else labels


@pytest.mark.parametrize("mixed", [False, True])
def test_figures_are_the_mean_loss_and_the_share_of_images_classified_right(mixed):
    tally, losses, right = Tally(Classification), [], []
    for loss, logits, labels in steps(150, mixed=mixed):
        tally.add(loss, logits, labels)
        losses.append(loss.item())
        right += (logits.argmax(1) == (labels.argmax(1) if mixed else labels)).tolist()
    figures = tally.figures()
    assert figures["loss"] == pytest.approx(sum(losses) / 150, rel=1e-12)
    assert figures["train_accuracy"] == sum(right) / 750


def test_sums_do_not_depend_on_when_they_are_read_or_taken_up_again():
    at_once, often, resumed = Tally(Classification), Tally(Classification), Tally(Classification)
    for number, step in enumerate(steps(100)):
        at_once.add(*step)
        often.add(*step)
        resumed.add(*step)
        if number % 7 == 0:
            often.sums()
        if number == 41:
            resumed = Tally(Classification, **resumed.sums())
    assert at_once.sums() == often.sums() == resumed.sums()


def test_what_waits_is_bounded_and_keeps_no_graph():
    tally = Tally(Classification)
    for step in steps(200):
        tally.add(*step)
        assert len(tally._waiting) < 64
    assert not any(tensor.requires_grad for step in tally._waiting for tensor in step)


def test_a_loss_that_is_no_number_shows():
    tally = Tally(Classification)
    for loss, logits, labels in steps(3):
        tally.add(loss * torch.nan, logits, labels)
    assert tally.figures()["loss"] != tally.figures()["loss"]
