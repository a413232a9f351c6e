"""What is told of nets that came trained, before anything long runs."""

from __future__ import annotations

import copy
import logging
from dataclasses import replace

import pytest
import torch

from kdsearch.errors import SpecError
from kdsearch.records import RunPaths
from kdsearch.study.planning import plan
from kdsearch.study.plausibility import doubt_net
from kdsearch.study.references import check_references, find_references, measure_references
from tests.tiny import tiny_spec
from tests.toys import CPU, bars_teacher, make_task, make_toy

pytestmark = pytest.mark.timeout(30)
KNOWN = make_task().normalised_by((0.0,), (1.0,))  # what the net that knows the bars reads


def knowing(order=(0, 1, 2)):
    """Knows the bars; its logits in another order."""
    net = copy.deepcopy(bars_teacher().net).requires_grad_(True)
    with torch.no_grad():
        net[2].weight.copy_(net[2].weight[list(order)])
        net[2].bias.copy_(net[2].bias[list(order)])
    return net


def planned(folder, net, student="student={net: given, trained: true, divisor: 1}"):
    sets = ("finish.batch_size=24", "strategy.batch_size=24", "limits={macs: 60%, window: null}", student)
    return plan(tiny_spec(*sets), RunPaths(folder), task=make_task(), net=net)


def taught(study, teacher):
    return replace(study, ctx=replace(study.ctx, trained=False, teaching=teacher))


def test_a_net_that_does_what_it_should_raises_no_doubt():
    assert doubt_net(knowing(), KNOWN, device=CPU, claimed=1.0, try_others=True) is None


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 0, 1), (1, 2, 0)])
def test_another_order_of_the_classes_is_refused_with_the_right_one(tmp_path, order):
    found = doubt_net(knowing(order), KNOWN, device=CPU)
    assert found.certain
    assert "and 100.0% with its classes in another order" in found.text
    for output, label in enumerate(order):
        assert (f"output {output} is '{KNOWN.classes[label]}'" in found.text) is (output != label)
    student = "student={net: given, trained: true, divisor: 1, mean: 0, std: 1}"
    with pytest.raises(SpecError, match=r"^student: given reaches .* put them into the data's order"):
        check_references(planned(tmp_path, knowing(order), student))


def test_a_usual_normalisation_that_does_far_better_is_named(tmp_path, caplog):
    sharp = knowing()
    with torch.no_grad():  # reads pixels of 0..255
        sharp[0].weight.div_(255)
    found = doubt_net(sharp, make_task(), device=CPU, try_others=True)
    assert "with mean: 0, std: 0.00392 it reaches 100.0%: write that beside it" in found.text
    with caplog.at_level(logging.WARNING):
        check_references(planned(tmp_path, sharp))
    assert "student: given reaches" in caplog.text
    assert "mean: 0, std: 0.00392" in caplog.text


def test_a_net_that_knows_nothing_is_told_of_a_student_and_refused_as_a_teacher():
    found = doubt_net(make_toy(), make_task(), device=CPU)
    assert found.by_chance
    assert not found.certain
    assert "no more than chance (33.3%)" in found.text


def test_a_net_far_below_its_card_is_told():
    task = make_task()
    task.dataset.validation.labels_N[:24] = (task.dataset.validation.labels_N[:24] + 1) % 3
    found = doubt_net(knowing(), task.normalised_by((0.0,), (1.0,)), device=CPU, claimed=0.98)
    assert found.text.startswith("reaches 60.0% on the validation images, its card says 98.0%; are these its weights")


def test_the_given_net_has_a_row_with_its_own_figures(tmp_path):
    study = planned(tmp_path, knowing(), "student={net: given, trained: true, divisor: 1, mean: 0, std: 1}")
    assert [reference.role for reference in find_references(study)] == ["given"]
    (row,) = measure_references(study)
    assert (row["id"], row["role"]) == ("given", "given")
    assert row["metrics"] == {"accuracy": 1.0, "validation_accuracy": 1.0}
    assert row["costs"] == study.ctx.widths.costs(study.ctx.widths.full)


def test_a_net_that_came_untrained_has_none(tmp_path):
    assert list(find_references(planned(tmp_path, make_toy(), "student={net: given, divisor: 1}"))) == []
