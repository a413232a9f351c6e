"""Trainings of a study's end: each once, watched as one."""

from __future__ import annotations

import pytest

from kdsearch.executors.serial import Serial
from kdsearch.progress import Progress
from kdsearch.records import Training
from kdsearch.study.final_trainings import noted, train_all
from kdsearch.study.trained import read_record
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
    train_all(study, [first, first, second], serial(), noted(told.append, "students"))
    assert sorted(path.stem for path in (tmp_path / "checkpoints/finish").glob("*.json")) == ["first", "second"]
    assert read_record(study, "second")["seed"] == 1
    assert {progress.phase for progress in told} == {"finish"}
    # once an epoch at least, and more often on a slow machine
    ends = {progress.note: (progress.step, progress.total) for progress in told}
    assert ends == {"students 1/2 first": (4, 8), "students 2/2 second": (8, 8)}  # 96 images, 24 a batch
    before = len(told)
    train_all(study, [first], serial(), noted(told.append, "again"))
    assert len(told) == before  # what is finished is not trained again
