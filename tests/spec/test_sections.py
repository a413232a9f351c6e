"""The rules within a section of a study, without the study around it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from kdsearch.spec.sections import StudentOptions
from kdsearch.spec.task_sections import TaskOptions


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"net": "lenet5", "trained": True}, "trained goes with net: given; a checkpoint that weights names is"),
        ({"timm": "resnet18", "trained": True}, "trained goes with net: given"),
        ({"net": "given", "weights": "w.safetensors"}, "weights does not go with net: given; change the module before"),
        ({"net": "given", "stem_stride": 1}, "stem_stride does not go with net: given"),
        ({"net": "given", "width": 0.5}, "width does not go with net: given"),
        ({"timm": "resnet18", "width": 0.5}, "width goes with net only"),
        ({"timm": "resnet18", "net": "lenet5"}, r"exactly one of timm, torchvision, net \(got timm, net\)"),
    ],
)
def test_a_student_that_contradicts_itself_is_refused(options, words):
    with pytest.raises(ValidationError, match=words):
        StudentOptions.model_validate(options)


def test_a_student_is_called_by_the_name_that_it_was_given():
    assert StudentOptions(torchvision="resnet18").label == "resnet18"
    assert StudentOptions(net="given", trained=True).label == "given"


@pytest.mark.parametrize(("named", "found"), [({}, "none"), ({"dataset": "mnist5k", "timm": "x"}, "dataset, timm")])
def test_a_task_has_one_source(named, found):
    with pytest.raises(ValidationError, match=rf"exactly one of dataset, .* \(got {found}\)"):
        TaskOptions(**named)
