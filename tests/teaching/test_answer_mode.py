"""Whether the teacher answers at every step or once, by what either costs."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from torch import nn

from kdsearch.teaching.answer_mode import decide, forecast
from kdsearch.teaching.lessons import Lesson
from tests.teaching.test_lessons import lesson
from tests.toys import make_toy

pytestmark = [pytest.mark.medium, pytest.mark.timeout(60)]


class Slow(nn.Module):
    """The toy's teacher, which takes its time."""

    def __init__(self, net: nn.Module, seconds: float) -> None:
        super().__init__()
        self.inner, self.seconds = net, seconds

    def forward(self, image_BCHW):
        time.sleep(self.seconds)
        return self.inner(image_BCHW)


def with_slow_teacher(given: Lesson, seconds: float = 0.15) -> Lesson:
    teacher = given.teaching.teacher
    slow = replace(teacher, net=Slow(teacher.net, seconds).eval().requires_grad_(False))
    return replace(given, teaching=replace(given.teaching, teacher=slow))


def test_the_study_has_the_last_word(tmp_path):
    for mode in ("online", "cached"):
        assert decide(lesson(tmp_path, mode), make_toy(), 100)["mode"] == mode


def test_a_dear_teacher_is_asked_once_if_there_are_epochs_enough(tmp_path):
    dear = with_slow_teacher(lesson(tmp_path))
    found = decide(dear, make_toy(), 100)
    assert found["mode"] == "cached"
    assert "3 views of every image are asked for once, not 100 epochs" in found["reason"]
    few = decide(dear, make_toy(), 3)
    assert few["mode"] == "online"
    assert "3 epochs in all ask less than 3 views" in few["reason"]


def test_a_cheap_teacher_answers_about_fresh_views(tmp_path):
    class Dear(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.toy = make_toy()

        def forward(self, image_BCHW):
            time.sleep(0.3)
            return self.toy(image_BCHW)

    found = decide(lesson(tmp_path, taps={"student": {"embedding": "toy.classifier:input"}}), Dear(), 100)
    assert found["mode"] == "online"
    assert "% of a step only" in found["reason"]


def test_answers_that_are_there_are_used(tmp_path):
    given = lesson(tmp_path)
    given.open_cache()
    assert decide(given, make_toy(), 1)["reason"] == "the answers are there already"


def test_the_forecast_asks_once_or_at_every_step(tmp_path):
    dear = with_slow_teacher(lesson(tmp_path))
    once, always = (forecast(dear, make_toy(), epochs, 1) for epochs in (100, 2))
    assert once["before"] > 0 == always["before"]
    assert always["epoch"] > once["epoch"]


def test_answers_too_large_to_be_stored_are_asked_for_anew(tmp_path):
    given = with_slow_teacher(lesson(tmp_path))
    loud = replace(given.teaching.teacher, std=(1e-5,))
    found = decide(replace(given, teaching=replace(given.teaching, teacher=loud)), make_toy(), 100)
    assert found["mode"] == "online"
    assert "stored as float16" in found["reason"]
