"""What is told of nets that came trained, before anything long runs."""

from __future__ import annotations

import logging

import pytest
import torch

from kdsearch.errors import SpecError
from kdsearch.records import RunPaths
from kdsearch.study.planning import plan
from kdsearch.study.references import check_references, find_references, measure_references
from tests.tiny import tiny_spec
from tests.toys import knowing_net, make_task, make_toy

pytestmark = pytest.mark.timeout(30)


def planned(folder, net, student="student={net: given, trained: true, divisor: 1}"):
    sets = ("finish.batch_size=24", "strategy.batch_size=24", "limits={macs: 60%, window: null}", student)
    return plan(tiny_spec(*sets), RunPaths(folder), task=make_task(), net=net)


KNOWN = "student={net: given, trained: true, divisor: 1, mean: 0, std: 1}"


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 0, 1), (1, 2, 0)])
def test_a_student_whose_classes_are_in_another_order_is_refused_before_the_run(tmp_path, order):
    with pytest.raises(SpecError, match=r"^student: given is right on .* put them into the data's order"):
        check_references(planned(tmp_path, knowing_net(order), KNOWN))


def test_a_student_with_another_normalisation_is_warned_of(tmp_path, caplog):
    sharp = knowing_net()
    with torch.no_grad():  # reads pixels of 0..255
        sharp[0].weight.div_(255)
    with caplog.at_level(logging.WARNING):
        check_references(planned(tmp_path, sharp))
    assert "student: given reaches" in caplog.text
    assert "mean: 0, std: 0.00392" in caplog.text


def test_the_given_net_has_a_row_with_its_own_figures(tmp_path):
    study = planned(tmp_path, knowing_net(), KNOWN)
    assert [reference.role for reference in find_references(study)] == ["given"]
    (row,) = measure_references(study)
    assert (row["id"], row["role"]) == ("given", "given")
    assert row["metrics"] == {"accuracy": 1.0, "validation_accuracy": 1.0}
    assert row["costs"] == study.ctx.widths.costs(study.ctx.widths.full)


def test_a_net_that_came_untrained_has_none(tmp_path):
    assert list(find_references(planned(tmp_path, make_toy(), "student={net: given, divisor: 1}"))) == []
