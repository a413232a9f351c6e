"""Whether the teacher answers at every step or once, by what either costs."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from torch import nn

from kdsearch.teaching.answer_mode import add_up, decide, forecast, time_epochs, weigh
from kdsearch.teaching.lessons import Lesson
from tests.teaching.test_lessons import lesson
from tests.toys import make_toy

pytestmark = [pytest.mark.medium, pytest.mark.timeout(60)]


class Slow(nn.Module):
    """A net that takes its time."""

    def __init__(self, net: nn.Module, seconds: float) -> None:
        super().__init__()
        self.inner, self.seconds = net, seconds

    def forward(self, image_BCHW):
        time.sleep(self.seconds)
        return self.inner(image_BCHW)


NAP = 0.05  # seconds of a batch, or of an image, at least: however busy the machine is, none is faster
TIMED = {"student": 4.0, "teacher": 1.0}


def with_slow_teacher(given: Lesson) -> Lesson:
    teacher = given.teaching.teacher
    slow = replace(teacher, net=Slow(teacher.net, NAP).eval().requires_grad_(False))
    return replace(given, teaching=replace(given.teaching, teacher=slow))


def test_the_study_has_the_last_word(tmp_path):
    for mode in ("online", "cached"):
        assert decide(lesson(tmp_path, mode), make_toy(), 100)["mode"] == mode


@pytest.mark.parametrize(
    ("teacher", "epochs", "mode", "reason"),
    [
        (
            1.0,
            100,
            "cached",
            "3 views of every image are asked for once, not 100 epochs: about 97 s of teaching spared",
        ),
        (1.0, 4, "cached", "not 4 epochs: about 1 s of teaching spared"),
        (1.0, 3, "online", "3 epochs in all ask less than 3 views"),
        (0.4, 100, "online", "the teacher takes 9 % of a step only"),
        (0.5, 100, "cached", "3 views of every image"),
    ],
)
def test_a_dear_teacher_is_asked_once_if_there_are_epochs_enough(tmp_path, teacher, epochs, mode, reason):
    found, why = weigh(lesson(tmp_path), TIMED | {"teacher": teacher}, epochs)
    assert found == mode
    assert reason in why


def test_an_epoch_is_timed_of_either_net(tmp_path):
    given = with_slow_teacher(lesson(tmp_path))
    timed = time_epochs(given, Slow(make_toy(), NAP), 1)
    assert timed["student"] >= NAP * len(given.task.train_batches(given.options, 0, given.device))
    assert timed["teacher"] >= NAP  # its images come in batches of their own
    found = decide(given, make_toy(), 100)
    assert found["epoch_seconds"]["teacher"] >= NAP
    assert (found["mode"], found["reason"][:20]) == tuple(
        text[:20] for text in weigh(given, found["epoch_seconds"], 100)
    )


def test_answers_that_are_there_are_used(tmp_path):
    given = lesson(tmp_path)
    given.open_cache()
    assert decide(given, make_toy(), 1)["reason"] == "the answers are there already"


def test_a_teacher_is_asked_before_the_first_training_or_in_every_epoch():
    assert add_up("online", TIMED, 3) == {"before": 0.0, "epoch": 5.0}
    assert add_up("cached", TIMED, 3) == {"before": 3.0, "epoch": 4.0}
    assert add_up("cached", TIMED, 0) == {"before": 0.0, "epoch": 4.0}


@pytest.mark.parametrize(("mode", "before"), [("online", 0.0), ("cached", 3 * NAP)])
def test_the_forecast_is_of_the_mode_that_was_decided(tmp_path, mode, before):
    found = forecast(with_slow_teacher(lesson(tmp_path, mode)), make_toy(), 100, 1)
    assert found["before"] >= before
    assert (found["before"] > 0) == (mode == "cached")
    assert found["epoch"] > (NAP if mode == "online" else 0)


def test_answers_too_large_to_be_stored_are_asked_for_anew(tmp_path):
    given = lesson(tmp_path)
    loud = replace(given.teaching.teacher, std=(1e-5,))
    mode, reason = weigh(replace(given, teaching=replace(given.teaching, teacher=loud)), TIMED, 100)
    assert mode == "online"
    assert "stored as float16" in reason
