"""Every shipped card reads; those with weights load, are what their card says, and are as good as it says."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch

from kdsearch.data.datasets import load_dataset
from kdsearch.models.zoo import make_net
from kdsearch.spec.teacher_card import read_card, shipped_cards
from kdsearch.tasks.classification import Classification
from kdsearch.teaching.taps import Taps, default_embedding, flat_embedding
from kdsearch.teaching.teachers import load_teacher, warn_of_seen_images

SHIPPED = sorted(shipped_cards())
TRAINED = [name for name in SHIPPED if read_card(name).sha256 is not None]


def test_the_promised_cards_are_shipped():
    promised = {"lenet5_mnist5k", "resnet20_mnist5k", "resnet20_cifar10", "resnet56_cifar10", "timm_checkpoint"}
    assert {f"{name}.yaml" for name in promised} <= set(SHIPPED)
    assert {"lenet5_mnist5k.yaml", "resnet20_mnist5k.yaml"} <= set(TRAINED)


@pytest.mark.parametrize("name", SHIPPED)
def test_it_is_named_as_its_file_and_says_what_it_is(name):
    card = read_card(name)
    assert f"{card.name}.yaml" == name
    assert card.description
    assert card.licence
    assert shipped_cards()[name].read_text(encoding="utf-8").startswith("# ")


@pytest.mark.parametrize("name", SHIPPED)
def test_its_net_can_be_made_and_has_an_embedding(name):
    card = read_card(name)
    shape = card.input.shape if card.input else (3, 32, 32)
    net = make_net(card.net.made_of(), num_classes=10, in_channels=shape[0], image_size=shape[1])
    with torch.no_grad(), Taps(net.eval(), {"embedding": default_embedding(net)}) as taps:
        net(torch.zeros(2, *shape))
        embedding_BD = flat_embedding(taps.take()["embedding"])
    assert embedding_BD.shape[1] >= 10


@pytest.mark.parametrize("name", TRAINED)
def test_its_weights_are_small_and_have_its_hash(name):
    card = read_card(name)
    content = card.weights.read_bytes()
    assert hashlib.sha256(content).hexdigest() == card.sha256
    assert len(content) < 1.5e6


@pytest.mark.medium
@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", TRAINED)
def test_it_is_as_good_on_the_validation_images_as_its_card_says(name, tmp_path):
    card, cpu = read_card(name), torch.device("cpu")
    dataset = load_dataset(card.task.options, cache_dir=Path(tmp_path), seed=card.seed)
    task = Classification(card.task.options, dataset)
    assert task.digest == card.data_hash
    assert warn_of_seen_images(name, task) == {"validation": 0.0, "test": 0.0}
    teacher, images = load_teacher(name, task, cpu), task.images("validation")
    logits, _ = teacher.answer(images.images_NCHW, {})
    accuracy = float((logits.argmax(1) == images.labels_N).float().mean())
    # one image in two machines' different rounding
    assert accuracy == pytest.approx(card.metrics["validation_accuracy"], abs=1.5 / len(images))
    assert accuracy > 0.97
    other = Classification(
        card.task.options, load_dataset(card.task.options, cache_dir=Path(tmp_path), seed=card.seed + 1)
    )
    assert min(warn_of_seen_images(name, other).values()) > 0.5  # 80 % in truth
