"""What a study may say about its images, or about having none."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from kdsearch.errors import SpecError
from kdsearch.spec.metric import ACCURACY, AGREEMENT
from kdsearch.spec.study_spec import dumps, files_named, load_spec, loads
from kdsearch.spec.task_sections import TaskOptions
from kdsearch.spec.yaml import dotted

NO_DATA = ("task={data: none}", "teacher=lenet5_mnist5k")


def test_a_study_without_data_writes_out_how_its_images_are_generated():
    options = load_spec("quickstart", NO_DATA).task.options
    assert options.generated
    assert options.synthesis == TaskOptions(data="none", synthesis={}).synthesis
    assert options.synthesis.bank > 0


def test_a_study_without_data_is_read_back_equal(tmp_path):
    spec = load_spec("quickstart", ("task={data: none, synthesis: {steps: 7}, test: {dataset: mnist5k}}", NO_DATA[1]))
    assert loads(dumps(spec)) == spec
    assert spec.task.options.synthesis.steps == 7


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "needs exactly one of dataset, npz, folder, torchvision, timm, data, bank"),
        ({"data": "none", "dataset": "mnist5k"}, r"needs exactly one of .* \(got dataset, data\)"),
        ({"data": "some"}, "Input should be 'none'"),
        ({"dataset": "mnist5k", "synthesis": {}}, "synthesis goes with data: none"),
        ({"dataset": "mnist5k", "test": {"npz": "x"}}, "test goes with data: none or bank; data have a test part"),
        ({"bank": "x", "synthesis": {}}, "synthesis goes with data: none; a bank's images are there already"),
        ({"data": "none", "image_size": 32}, "image_size does not go with data: none; images are made as the teacher"),
        ({"data": "none", "train_images": 32}, "train_images does not go with data: none; say synthesis.bank"),
        ({"bank": "x", "channels": 1}, "channels does not go with bank; images are made as the teacher reads them"),
        ({"data": "none", "test": {}}, "needs exactly one of dataset, npz, folder, torchvision, timm"),
        ({"data": "none", "test": {"bank": "x"}}, "Extra inputs are not permitted"),
        (
            {"data": "none", "synthesis": {"width": {"search": "uniform", "low": 8, "high": 16}}},
            "width is a range, and a study's own images",
        ),
    ],
)
def test_what_says_nothing_about_generated_images_is_refused(given, said):
    with pytest.raises(ValidationError, match=said):
        TaskOptions(**given)


def test_a_bank_may_be_thinned_out():
    assert TaskOptions(bank="x", train_images=32).train_images == 32


def test_shares_do_nothing_for_generated_images():
    idle = TaskOptions(data="none", test_share=0.2).idle()
    assert {"validation_share", "test_share", "skip_broken", "root"} == idle.keys()
    assert "test_share" not in TaskOptions(dataset="mnist5k").idle()


def test_a_bank_and_real_test_images_are_files_that_a_study_names(tmp_path):
    named = ("task={bank: " + f"{tmp_path}/run, test: {{npz: {tmp_path}/real.npz}}}}",)
    found = {dotted(key): path.name for key, path in files_named(load_spec("quickstart", named))}
    assert found == {"task.bank": "run", "task.test.npz": "real.npz"}
    options = load_spec("quickstart", named).task.options
    assert not options.are_there()
    (tmp_path / "run").mkdir()
    assert options.are_there()


def test_images_that_are_yet_to_be_generated_are_always_there():
    assert TaskOptions(data="none").are_there()


def test_what_judges_follows_from_the_images():
    judged = {
        "task={dataset: mnist5k}": ACCURACY,
        "task={bank: x}": AGREEMENT,
    }
    for task, metric in judged.items():
        assert load_spec("quickstart", (task,)).task.metric == metric
    real = load_spec("quickstart", ("task={bank: x, test: {dataset: mnist5k}}",)).task.metric
    assert (real.name, real.on_validation) == ("accuracy", AGREEMENT)


def mistakes(*sets: str) -> str:
    with pytest.raises(SpecError) as refused:
        load_spec("quickstart", sets)
    return str(refused.value)


def test_a_study_without_data_needs_a_teacher():
    said = "task.data: none has the images generated from a teacher; name a card, such as teacher: lenet5_mnist5k"
    assert said in mistakes("task={data: none}")


def test_a_teacher_is_there_for_the_images_even_where_nothing_else_asks_it():
    assert load_spec("quickstart", NO_DATA).teacher is not None
    assert "neither strategy nor finish learns from a teacher" in mistakes("teacher=lenet5_mnist5k")


def test_a_module_that_teaches_without_data_is_said_what_it_reads():
    told = mistakes("task={data: none}", "teacher={net: given, classes: 3}")
    assert "teacher.shape is missing: with task: {data: none} nothing else says what the module reads" in told
    assert "teacher.mean is missing" in told
    assert "teacher.classes" not in told
    whole = "teacher={net: given, shape: [1, 8, 8], classes: ['|', '-'], mean: 0.3, std: 0.3}"
    assert load_spec("quickstart", ("task={data: none}", whole)).teacher.shape == (1, 8, 8)


def test_a_card_says_itself_what_it_reads():
    assert "shape goes with file; a card has its own" in mistakes(
        NO_DATA[0], "teacher={card: lenet5_mnist5k, shape: [1, 28, 28]}"
    )


def test_a_study_without_data_is_validated_without_torch():
    code = (
        "import sys; from kdsearch.spec.study_spec import load_spec;"
        f"load_spec('quickstart', {NO_DATA!r}); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
