"""What is doubted of a net that came trained, from one look at the validation images."""

from __future__ import annotations

import pytest
import torch

from kdsearch.spec.metric import Metric
from kdsearch.study.plausibility import doubt_net
from kdsearch.tasks.classification import Classification
from tests.toys import CPU, knowing_net, make_task, make_toy

KNOWN = make_task().normalised_by((0.0,), (1.0,))  # what the net that knows the bars reads


class Mistakes(Classification):
    """The same images, judged by the share of wrong answers."""

    metric = Metric("mistakes", better="lower", unit="%", times=100, digits=0)

    @classmethod
    def judge_each(cls, outputs, label_B):
        right_B, loss_B = super().judge_each(outputs, label_B)
        return ~right_B, loss_B


def spoiled(task: Classification) -> Classification:
    """24 of 60 validation images have another class's label."""
    task.dataset.validation.labels_N[:24] = (task.dataset.validation.labels_N[:24] + 1) % 3
    return task.normalised_by((0.0,), (1.0,))


def mistakes() -> Mistakes:
    return Mistakes(make_task().options, make_task().dataset)


def test_a_net_that_does_what_it_should_raises_no_doubt():
    assert doubt_net(knowing_net(), KNOWN, device=CPU, claimed=1.0, try_others=True) is None
    assert doubt_net(knowing_net(), mistakes().normalised_by((0.0,), (1.0,)), device=CPU, claimed=0.0) is None


@pytest.mark.parametrize("others", [0, 1, 3])
def test_a_net_that_is_always_right_is_not_called_chance_where_nearly_all_images_are_of_one_class(others):
    task = make_task().normalised_by((0.0,), (1.0,))
    validation = task.dataset.validation
    ordered = validation.labels_N.argsort()
    of_one = ordered[: int((validation.labels_N == 0).sum()) + others]
    object.__setattr__(task.dataset, "validation", validation.subset(of_one))
    assert doubt_net(knowing_net(), task, device=CPU) is None


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 0, 1), (1, 2, 0)])
def test_another_order_of_the_classes_is_certain_and_told_with_the_right_one(order):
    found = doubt_net(knowing_net(order), KNOWN, device=CPU)
    assert found.certain
    assert "and on 100.0 % with its classes in another order" in found.text
    for output, label in enumerate(order):
        assert (f"output {output} is '{KNOWN.classes[label]}'" in found.text) is (output != label)


@pytest.mark.parametrize(("task", "reached"), [(make_task(), "100.0 %"), (mistakes(), "0 %")], ids=["right", "wrong"])
def test_a_usual_normalisation_that_does_far_better_is_named(task, reached):
    sharp = knowing_net()
    with torch.no_grad():  # reads pixels of 0..255
        sharp[0].weight.div_(255)
    found = doubt_net(sharp, task, device=CPU, try_others=True)
    assert f"with mean: 0, std: 0.00392 it reaches {reached}: write that beside it" in found.text


def test_a_net_that_knows_nothing_is_told():
    found = doubt_net(make_toy(), make_task(), device=CPU)
    assert found.by_chance
    assert not found.certain
    assert "reaches 33.3 % on the validation images, no more than chance (33.3 % right)" in found.text


@pytest.mark.parametrize(
    ("task", "claimed", "said"),
    [
        (
            make_task(),
            0.98,
            "reaches 60.0 % on the validation images, its card or manifest says 98.0 %; are these",
        ),
        (
            mistakes(),
            0.02,
            "reaches 40 % on the validation images, its card or manifest says 2 %; are these",
        ),
    ],
    ids=["right", "wrong"],
)
def test_a_net_far_below_its_card_is_told_in_the_tasks_own_figure(task, claimed, said):
    found = doubt_net(knowing_net(), spoiled(task), device=CPU, claimed=claimed)
    assert found.text.startswith(said)
    assert doubt_net(knowing_net(), task.normalised_by((0.0,), (1.0,)), device=CPU, claimed=1 - claimed) is None
