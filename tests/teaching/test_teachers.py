from __future__ import annotations

import hashlib
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from kdsearch.data.augment import normalise
from kdsearch.errors import SpecError
from kdsearch.models.zoo import make_net
from kdsearch.spec.teacher_card import InputOptions, NetOptions, read_card, to_yaml
from kdsearch.study.teach import teach
from kdsearch.teaching.teachers import Teacher, load_teacher, warn_of_seen_images
from tests.cards import CLASSES, CPU, task_in, write_card


@pytest.fixture(scope="module")
def taught(tmp_path_factory) -> Path:
    """The run directory of a trained teacher."""
    folder = tmp_path_factory.mktemp("teacher")
    return teach(read_card(write_card(folder)), folder / "run").card_path.parent


@pytest.fixture
def card_path(taught, tmp_path) -> Path:
    """A copy of its card, with its weights beside it."""
    shutil.copytree(taught, tmp_path / "run")
    return tmp_path / "run/card.yaml"


def change(card_path: Path, **changes: object) -> Path:
    card_path.write_text(to_yaml(read_card(card_path).model_copy(update=changes)), encoding="utf-8")
    return card_path


def change_weights(card_path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    """The card with other weights, whose hash it has."""
    weights = card_path.parent / "other.safetensors"
    save_file(tensors, weights)
    return change(card_path, weights=weights, sha256=hashlib.sha256(weights.read_bytes()).hexdigest())


def with_classes(task, *names: str):
    task.classes, task.num_classes = names, len(names)
    return task


def test_a_teacher_is_frozen_and_answers_with_its_own_normalisation(card_path):
    task = task_in(card_path)
    mean, std = (0.9,), (0.1,)  # not what the student uses
    teacher = load_teacher(change(card_path, mean=mean, std=std), task, CPU)
    pixels = task.images("validation").images_NCHW[:6]
    logits, taps = teacher.answer(pixels, {"last": "classifier:input", "first": "conv1"})
    assert torch.equal(logits, teacher.net(normalise(pixels, mean, std)))
    assert torch.equal(teacher.net.classifier(taps["last"]), logits)
    assert (logits.shape, taps["first"].shape) == ((6, 3), (6, 2, 8, 8))
    assert not logits.requires_grad
    assert not teacher.net.training
    assert not any(parameter.requires_grad for parameter in teacher.net.parameters())
    again, _ = teacher.answer(pixels.float().requires_grad_(), {})
    assert torch.equal(again, logits)
    assert not again.requires_grad


def test_a_teacher_answers_in_fp32_whatever_the_student_trains_in(card_path):
    task = task_in(card_path)
    teacher = load_teacher(card_path, task, CPU)
    pixels = task.images("validation").images_NCHW[:6]
    expected, _ = teacher.answer(pixels, {})
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits, taps = teacher.answer(pixels, {"last": "classifier:input"})
    assert torch.equal(logits, expected)
    assert taps["last"].dtype == torch.float32


def test_a_teacher_is_found_by_its_run_directory_and_knows_what_it_is(card_path):
    card, teacher = read_card(card_path), load_teacher(card_path.parent, task_in(card_path), CPU)
    weights = (card_path.parent / "tiny.safetensors").read_bytes()
    assert teacher.sha256 == hashlib.sha256(weights).hexdigest() == card.sha256
    assert (teacher.name, teacher.classes, teacher.columns) == ("tiny", CLASSES, None)
    assert (teacher.mean, teacher.std) == (card.mean, card.std)


def test_classes_in_another_order_are_mapped_through_columns(card_path):
    task = task_in(card_path)
    pixels = task.images("validation").images_NCHW[:6]
    plain, _ = load_teacher(card_path, task, CPU).answer(pixels, {})
    teacher = load_teacher(card_path, with_classes(task, "none", "bar"), CPU)
    assert teacher.classes == ("none", "bar")
    assert torch.equal(teacher.answer(pixels, {})[0], plain[:, [2, 0]])


def test_unnamed_classes_are_the_tasks(card_path):
    task = task_in(card_path)
    teacher = load_teacher(change(card_path, classes=3), task, CPU)
    assert (teacher.classes, teacher.columns) == (CLASSES, None)
    with pytest.raises(SpecError, match=r"teacher: .*card.yaml has 4 classes, the task 3; name another teacher"):
        load_teacher(change(card_path, classes=4), task, CPU)


def test_a_timm_model_with_a_checkpoint_of_ones_own_teaches(card_path):
    task = task_in(card_path, image_size=32)
    net = make_net(NetOptions(timm="lcnet_035", stem_stride=1).made_of(), num_classes=3, in_channels=1, image_size=32)
    path = change_weights(card_path, net.state_dict())
    change(path, net=NetOptions(timm="lcnet_035", stem_stride=1), input=InputOptions(shape=(1, 32, 32)), classes=3)
    teacher, pixels = load_teacher(path, task, CPU), task.images("validation").images_NCHW[:4]
    expected = net.eval()(normalise(pixels, teacher.mean, teacher.std))
    torch.testing.assert_close(teacher.answer(pixels, {})[0], expected, rtol=1e-4, atol=1e-5)


def test_the_hash_is_checked_before_the_file_is_parsed(card_path):
    weights = card_path.parent / "tiny.safetensors"
    weights.write_bytes(b"not weights at all")
    with pytest.raises(
        SpecError, match=r"tiny.safetensors is not the file that the card is of \(SHA-256 [0-9a-f]{12}\.\.,"
    ):
        load_teacher(card_path, task_in(card_path), CPU)


def test_one_changed_bit_is_another_file(card_path):
    weights = card_path.parent / "tiny.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(SpecError, match="is not the file that the card is of"):
        load_teacher(card_path, task_in(card_path), CPU)


def test_a_card_without_a_hash_says_what_it_would_be(card_path):
    found = read_card(card_path).sha256
    with pytest.raises(SpecError, match=f"sha256 is missing; if you trust .*tiny.safetensors, write sha256: {found}"):
        load_teacher(change(card_path, sha256=None), task_in(card_path), CPU)


def test_a_card_that_was_not_trained_says_how(tmp_path):
    path = write_card(tmp_path)
    with pytest.raises(SpecError, match=f"{path}: has no weights yet; train them, .*: kdsearch teach {path}$"):
        load_teacher(path, task_in(path), CPU)


def test_weights_that_are_not_there_are_named(card_path):
    (card_path.parent / "tiny.safetensors").unlink()
    with pytest.raises(SpecError, match=r"card.yaml: its weights .*tiny.safetensors are not there; put them beside"):
        load_teacher(card_path, task_in(card_path), CPU)


def test_a_card_that_is_not_there_names_the_shipped_ones(card_path):
    with pytest.raises(
        SpecError, match=r"resnet20_mnist6k: no such teacher card.*did you mean 'resnet20_mnist5k.yaml'\?"
    ):
        load_teacher("resnet20_mnist6k", task_in(card_path), CPU)


def test_missing_classes_are_named(card_path):
    task = with_classes(task_in(card_path), "bar", "ring", "dot")
    with pytest.raises(SpecError, match=r"does not know 2 of the task's 3 classes: 'ring', 'dot'; name a teacher"):
        load_teacher(card_path, task, CPU)
    many = with_classes(task_in(card_path), *(f"class {number}" for number in range(9)))
    with pytest.raises(SpecError, match=r"does not know 9 of .*'class 4', \.\.; name"):
        load_teacher(card_path, many, CPU)


def test_another_input_size_is_refused(card_path):
    with pytest.raises(SpecError, match=r"reads images of 1x8x8, the task's are 3x16x16; set task.image_size and"):
        load_teacher(card_path, task_in(card_path, image_size=16, channels=3), CPU)


def test_weights_for_another_number_of_classes_are_refused(card_path):
    names = (*CLASSES, "ring")
    with pytest.raises(
        SpecError, match=r"tiny.safetensors: classifier.weight is not for the 4 classes that .*card.yaml"
    ):
        load_teacher(change(card_path, classes=names), task_in(card_path), CPU)


def test_weights_of_another_net_are_refused(card_path):
    net = make_net(read_card(card_path).net.made_of(), num_classes=3, in_channels=1)
    tensors = net.state_dict()
    del tensors["conv1.weight"]
    with pytest.raises(
        SpecError, match=r"other.safetensors: the weights do not fit the net: 1 tensors missing \(conv1"
    ):
        load_teacher(change_weights(card_path, tensors), task_in(card_path), CPU)


def test_a_file_that_has_the_right_hash_and_is_no_weights_is_refused(card_path):
    weights = card_path.parent / "other.safetensors"
    weights.write_bytes(b"x" * 100)
    path = change(card_path, weights=weights, sha256=hashlib.sha256(b"x" * 100).hexdigest())
    with pytest.raises(SpecError, match=r"other.safetensors: cannot be read as weights"):
        load_teacher(path, task_in(card_path), CPU)


def test_a_net_that_does_not_exist_is_named_as_the_cards(card_path):
    net = read_card(card_path).net.model_copy(update={"net": None, "timm": "resnt18", "width": 1.0})
    with pytest.raises(SpecError, match=r"teacher card: net.timm: no net is called resnt18; did you mean 'resnet18'"):
        load_teacher(change(card_path, net=net), task_in(card_path), CPU)


def test_another_split_of_the_teachers_data_is_warned_about(card_path, caplog):
    assert warn_of_seen_images(card_path, task_in(card_path)) == {"validation": 0.0, "test": 0.0}
    assert not caplog.records
    shares = warn_of_seen_images(card_path, task_in(card_path, seed=1))
    assert 0.3 < shares["validation"] < 0.9  # 60 % of all images are the teacher's
    assert 0.3 < shares["test"] < 0.9
    assert "the teacher was trained on about" in caplog.text
    assert "use the seed and the shares that its task had (seed: 0)" in caplog.text


def test_fewer_training_images_of_the_same_split_are_no_reason_to_warn(card_path, caplog):
    caplog.set_level(logging.INFO)
    task = task_in(card_path, train_images=30)
    assert warn_of_seen_images(card_path, task) == {"validation": 0.0, "test": 0.0}
    load_teacher(card_path, task, CPU)
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert "trained on other data than the task's" in record.message


def test_a_teacher_is_a_value():
    teacher = Teacher(nn.Identity(), "x", "00", (0.5,), (0.5,), ("a", "b"), None)
    assert replace(teacher, columns=(1, 0)).columns == (1, 0)
    with pytest.raises(AttributeError):
        teacher.name = "y"  # type: ignore[misc]
