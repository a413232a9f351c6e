"""A study without data is planned on noise of the shape that its teacher reads."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from kdsearch.data.datasets import load_dataset
from kdsearch.data.stored_bank import StoredPart
from kdsearch.errors import SpecError
from kdsearch.records import RunPaths
from kdsearch.spec.metric import AGREEMENT
from kdsearch.spec.study_spec import load_spec
from kdsearch.spec.task_sections import TaskOptions
from kdsearch.study.identifying import identify
from kdsearch.study.placeholders import placeholder_task, read_input
from kdsearch.study.planning import plan
from kdsearch.study.references import measure_references
from tests.banks import write_bank
from tests.dataless import dataless_spec
from tests.tiny import tiny_spec
from tests.toys import knowing_net, make_toy

pytestmark = pytest.mark.timeout(30)
BEGUN = ("task={data: none, synthesis: {bank: 300, probe: 40, test: 20}}", "teacher=lenet5_mnist5k")


def test_shape_classes_and_normalisation_are_those_of_the_teachers_card():
    task = placeholder_task(load_spec("quickstart", BEGUN))
    assert task.image_shape == (1, 28, 28)
    assert task.classes == tuple("0123456789")
    assert task.mean == pytest.approx((0.13129,), abs=1e-5)
    assert task.std == pytest.approx((0.30848,), abs=1e-5)
    assert [len(task.images(part)) for part in ("train", "validation", "test")] == [300, 40, 20]
    assert task.placeholder
    assert task.metric == AGREEMENT


def test_of_a_module_they_are_what_the_study_says():
    read = read_input(dataless_spec().teacher)
    assert (read.shape, read.classes, read.mean, read.std) == ((1, 8, 8), ("|", "-", " "), (0.0,), (1.0,))
    numbered = read_input(dataless_spec("teacher.classes=4", "teacher.shape=[3, 8, 8]").teacher)
    assert numbered.classes == ("0", "1", "2", "3")
    assert numbered.mean == (0.0, 0.0, 0.0)  # one number for all channels
    with pytest.raises(SpecError, match=r"teacher.mean has 2 numbers, the images have 1 channel"):
        read_input(dataless_spec("teacher.mean=[0, 0]", "teacher.std=[1, 1]").teacher)


@pytest.mark.parametrize(
    ("sets", "same"),
    [
        ((), True),
        (("name=other",), True),
        (("seed=1",), False),
        (("task.synthesis.steps=9",), False),
        (("task.synthesis.one_hot=0.5",), False),
        (("teacher.mean=0.1", "teacher.std=0.9"), False),
    ],
)
def test_the_digest_stands_for_what_will_be_generated(sets, same):
    digests = {placeholder_task(dataless_spec(*more)).digest for more in ((), sets)}
    assert (len(digests) == 1) is same


def test_a_run_is_known_again_by_its_teacher_and_by_how_its_images_are_generated(tmp_path):
    def known(*sets, order=(0, 1, 2)):
        study = plan(dataless_spec(*sets), RunPaths(tmp_path), net=make_toy(), teacher=knowing_net(order))
        return {key: identify(study)[key] for key in ("data", "teacher")}

    assert known() == known()
    assert known()["teacher"] != known(order=(1, 0, 2))["teacher"]
    assert known()["data"] != known("task.synthesis.steps=9")["data"]


def test_planning_reads_no_real_test_image(tmp_path):
    study = plan(
        dataless_spec(f"task.test={{npz: {tmp_path}/not there.npz}}"),
        RunPaths(tmp_path),
        net=make_toy(),
        teacher=knowing_net(),
    )
    assert study.task.metric.name == "accuracy"
    assert study.ctx.task.metric == AGREEMENT
    assert tmp_path / "not there.npz" in study.ctx.data_roots


def test_a_batch_of_more_images_than_will_be_generated_is_refused(tmp_path):
    spec = dataless_spec("strategy.batch_size=500", "strategy.calibration_images=512")
    with pytest.raises(SpecError, match=r"strategy.batch_size is 500; the training part has 400 images; lower it"):
        plan(spec, RunPaths(tmp_path), net=make_toy(), teacher=knowing_net())


def on_digits(folder, test):
    """A planned study on a bank of 28 x 28 pixels whose teacher has a card, with these real test images."""
    pixels_NCHW = torch.randint(256, (40, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    part = StoredPart(pixels_NCHW, torch.eye(10)[torch.arange(40) % 10].half())
    facts = {"classes": tuple("0123456789"), "mean": (0.13,), "std": (0.31,)}
    write_bank(folder / "bank", parts=dict.fromkeys(("train", "validation", "test"), part), **facts)
    sets = (f"task={{bank: {folder}/bank, test: {{npz: {test}}}}}", "teacher=lenet5_mnist5k", "strategy.batch_size=20")
    finish = "finish={name: kd, epochs: 1, batch_size: 20, terms: [{kd: 1}]}"
    student = "student={net: lenet5, divisor: 8}"
    spec = tiny_spec(*sets, finish, student, "strategy.calibration_images=40", "limits={macs: 60%, window: null}")
    return plan(spec, RunPaths(folder / "run"))


def test_planning_a_study_of_a_bank_opens_no_real_test_image_either(tmp_path):
    (tmp_path / "real.npz").write_bytes(b"no image")
    assert on_digits(tmp_path, tmp_path / "real.npz").ctx.teaching is not None


def test_real_test_images_that_the_teacher_was_trained_on_are_told_at_the_end(tmp_path, caplog):
    seen = load_dataset(TaskOptions(dataset="mnist5k"), cache_dir=tmp_path).train.subset(torch.arange(0, 4000, 20))
    np.savez(tmp_path / "real.npz", x_test=seen.images_NCHW[:, 0].numpy(), y_test=seen.labels_N.numpy())
    study = on_digits(tmp_path, tmp_path / "real.npz")
    assert "the teacher was trained on" not in caplog.text
    with caplog.at_level(logging.WARNING):
        (row,) = measure_references(study)
    assert "the teacher was trained on about 100 % of the test images" in caplog.text
    assert row["metrics"]["accuracy"] > 0.9
