"""Trainings of a study's end: each once, watched as one."""

from __future__ import annotations

import pytest

from kdsearch.executors.serial import Serial
from kdsearch.progress import Progress
from kdsearch.records import Training
from kdsearch.study.finishing import read_record
from kdsearch.study.trainings import noted, train_all
from kdsearch.study.trial import use
from tests.toys import half, toy_study

pytestmark = pytest.mark.timeout(30)  # the first trace of a process takes seconds


def serial() -> Serial:
    return Serial(Serial.Options())


def test_a_training_asked_for_twice_is_done_once_and_steps_add_up(tmp_path):
    study = toy_study(tmp_path, "finish={name: scratch, epochs: 1, batch_size: 24}")
    use(study)
    first = Training("first", half(study.ctx.widths), 0)
    second = Training("second", study.ctx.widths.smallest, 1)
    told: list[Progress] = []
    train_all([first, first, second], serial(), noted(told.append, "students"))
    assert sorted(path.stem for path in (tmp_path / "checkpoints/finish").glob("*.json")) == ["first", "second"]
    assert read_record(study, "second")["seed"] == 1
    assert {progress.phase for progress in told} == {"finish"}
    assert [progress.note for progress in told] == ["students 1/2 first", "students 2/2 second"]
    assert [(progress.step, progress.total) for progress in told] == [(4, 8), (8, 8)]  # 96 images, 24 a batch
    train_all([first], serial(), noted(told.append, "again"))
    assert len(told) == 2  # what is finished is not trained again
