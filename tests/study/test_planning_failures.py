"""Whatever a student's forward raises at planning, and whenever, is one line that says where."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kdsearch.errors import KdsearchError
from kdsearch.records import RunPaths
from kdsearch.study.planning import plan
from tests.tiny import tiny_spec
from tests.toys import make_task

pytestmark = pytest.mark.timeout(60)


class Picky(nn.Module):
    """Raises in its forward where ``when`` says so."""

    def __init__(self, when, error):
        super().__init__()
        self.first, self.norm = nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.second = nn.Conv2d(16, 32, 3, padding=1)
        self.head = nn.Linear(32, make_task().num_classes)
        self.when, self.error = [when], [error]

    def forward(self, image_BCHW):
        maps_BCHW = self.norm(self.first(image_BCHW)).relu()
        if self.when[0](self, image_BCHW, maps_BCHW):
            raise self.error[0]
        return self.head(self.second(maps_BCHW).relu().mean((2, 3)))


def is_cropped(net, _, maps):
    return maps.shape[1] < 16


def is_smallest(net, _, maps):
    return maps.shape[1] <= 2


def is_between(net, _, maps):
    return 4 < maps.shape[1] < 16


def is_cropped_with_values(net, image, maps):
    return maps.shape[1] < 16 and not image.is_meta


def is_cropped_alone_in_training(net, image, maps):
    return maps.shape[1] < 16 and net.training and not image.is_meta


def is_norm_in_training(net, image, maps):
    return net.norm.training and not image.is_meta


def trains(net, *_):
    return net.training


def is_batch_of(count):
    def when(net, image, maps):
        return len(image) == count and not image.is_meta

    return when


def is_big_batch_of_crops(net, image, maps):
    return len(image) > 2 and maps.shape[1] < 16


def keeps_gradients(net, image, maps):
    return torch.is_grad_enabled() and maps.shape[1] < 16


def is_traced(net, image, maps):
    return torch.jit.is_tracing()


def has_no_values(net, image, maps):
    return image.is_meta


class OddError(Exception):
    def __str__(self):
        raise RuntimeError("even its text fails")


WHENS = (
    is_cropped, is_smallest, is_between, is_cropped_with_values, is_cropped_alone_in_training, is_norm_in_training,
    trains, is_batch_of(1), is_batch_of(2), is_batch_of(4), is_big_batch_of_crops,
    keeps_gradients, is_traced, has_no_values,
)  # fmt: skip
ERRORS = (
    RuntimeError("two lines:\nthe second"), KeyError("key"), AssertionError(), ZeroDivisionError("zero"),
    StopIteration(), RecursionError("deep"), NotImplementedError(), MemoryError("no room"),
    UnicodeDecodeError("utf-8", b"x", 0, 1, "bad"), SystemError("in C"), OddError(),
    torch.cuda.OutOfMemoryError("no room on the device"),
)  # fmt: skip


def planned(folder, net, limits):
    sets = ("finish.batch_size=24", "strategy.batch_size=24", f"limits={limits}", "export=[{name: torchscript}]")
    student = "student={net: given, divisor: 1}"
    return plan(tiny_spec(*sets, student), RunPaths(folder), task=make_task(), net=net)


def fails_in_one_line(folder, when, error, limits="{macs: 60%, window: null}"):
    """Whether planning failed, in one line if it did."""
    net = Picky(when, error)
    try:
        planned(folder, net, limits)
    except KdsearchError as error:
        said = str(error)
    else:
        return False
    assert "\n" not in said
    assert said.startswith(("student: ", "model.pt: "))
    assert "; " in said, "it does not say what to do"
    return True


@pytest.mark.parametrize("when", WHENS)
def test_a_forward_that_raises_sometimes_fails_planning_in_one_line(tmp_path, when):
    for limits in ("{macs: 60%, window: null}", "{size_bytes: 80%, window: null}"):
        fails_in_one_line(tmp_path, when, RuntimeError("two lines:\nthe second"), limits)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("when", [is_cropped_with_values, trains, is_batch_of(2)])
def test_any_kind_of_error_fails_planning_in_one_line(tmp_path, when, error):
    assert fails_in_one_line(tmp_path, when, error)
