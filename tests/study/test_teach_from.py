"""A card made of a checkpoint that was trained elsewhere."""

from __future__ import annotations

import pytest
import torch

from kdsearch.commands import run
from kdsearch.errors import SpecError, StoreError
from kdsearch.files import hash_file
from kdsearch.models.zoo import make_net
from kdsearch.spec.sections import StudentOptions
from kdsearch.spec.teacher_card import read_card
from kdsearch.study.teach_from import Brought, make_card
from kdsearch.teaching.teachers import load_teacher
from tests.cards import CLASSES, CPU, task_in, write_card
from tests.tiny import tiny_spec

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def brought(tmp_path):
    """A checkpoint of a net for the bars, and the study that has them."""
    card = write_card(tmp_path)
    task = task_in(card)
    net = make_net(StudentOptions(net="resnet20", width=0.125), num_classes=3, in_channels=1)
    torch.save(net.state_dict(), tmp_path / "mine.pt")
    study = tiny_spec(f"task={{npz: {tmp_path}/bars.npz, validation_share: 0.2, test_share: 0.2}}")
    return Brought(tmp_path / "mine.pt", str(card), (0.4,), (0.2,)), study, task, net


def test_a_card_is_made_with_hash_shape_classes_and_what_was_measured(brought, tmp_path):
    given, study, task, net = brought
    path = make_card(given, study, tmp_path / "out")
    card = read_card(path)
    assert card.sha256 == hash_file(card.weights)
    assert (card.input.shape, card.classes, card.mean, card.std) == ((1, 8, 8), CLASSES, (0.4,), (0.2,))
    expected = task.normalised_by((0.4,), (0.2,)).evaluate(net, "validation", device=CPU)["accuracy"]
    assert card.metrics["validation_accuracy"] == pytest.approx(expected)
    teacher = load_teacher(path, task, CPU)
    assert torch.equal(teacher.net.state_dict()["conv1.weight"], net.state_dict()["conv1.weight"])
    with pytest.raises(StoreError, match="is there already"):
        make_card(given, study, tmp_path / "out")


def test_a_checkpoint_named_as_teacher_is_answered_with_how_to_make_a_card(brought):
    with pytest.raises(SpecError, match=r"is a file of weights, not a card; .* kdsearch teach --from .*mine.pt"):
        read_card(brought[0].weights)


def test_a_net_of_no_such_name_is_refused(brought, tmp_path):
    with pytest.raises(SpecError, match="--like resnet21: must name a net of ours, timm or torchvision, or a card"):
        make_card(Brought(brought[0].weights, "resnet21"), brought[1], tmp_path / "out")


def test_the_command_says_what_it_lacks(capsys):
    assert run(["teach"]) == 2
    assert run(["teach", "--from", "x.pt"]) == 2
    assert "needs --like NET and --on STUDY" in capsys.readouterr().err
