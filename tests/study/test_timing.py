"""The latency of the nets that a study started from, measured as that of its students."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kdsearch.study.references import measure_references
from kdsearch.study.timing import time_nets, time_references
from tests.study.test_references import planned as planned_student
from tests.study.test_teaching import knowing, planned

pytestmark = pytest.mark.timeout(60)


class Branching(nn.Module):
    """Cannot be traced: it counts its calls in a way that torch.jit refuses."""

    def __init__(self) -> None:
        super().__init__()
        self.net = knowing()

    def forward(self, image_BCHW):
        if torch.jit.is_tracing():
            raise RuntimeError("no tracing here")
        return self.net(image_BCHW)


def test_its_accuracy_and_its_latency_stand_beside_the_students(tmp_path):
    study = planned(tmp_path, knowing())
    rows = measure_references(study)
    (row,) = time_references(rows, time_nets(study, (), {}))
    assert (row["id"], row["name"]) == ("teacher", "Sequential")
    assert row["metrics"] == {"accuracy": 1.0, "validation_accuracy": 1.0}
    assert row["costs"]["parameters"] == 2 * 64 + 2 + 2 * 3 + 3
    assert isinstance(row["costs"]["macs"], int)  # exact until it is printed
    assert row["costs"]["latency_ms"] > 0
    assert "unmeasured" not in row


def test_a_latency_that_cannot_be_measured_is_said_to_be_missing_and_why(tmp_path):
    study = planned(tmp_path, Branching())
    (row,) = time_references(measure_references(study), time_nets(study, (), {}))
    assert "latency_ms" not in row["costs"]
    assert row["unmeasured"] == {"latency_ms": "it cannot be traced: no tracing here"}


def test_a_student_that_came_trained_is_timed_too(tmp_path):
    student = "student={net: given, trained: true, divisor: 1, mean: 0, std: 1}"
    study = planned_student(tmp_path, knowing(), student)
    (row,) = time_references(measure_references(study), time_nets(study, (), {}))
    assert (row["id"], row["metrics"]["accuracy"]) == ("given", 1.0)
    assert row["costs"]["latency_ms"] > 0
