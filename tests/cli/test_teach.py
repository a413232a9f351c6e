from __future__ import annotations

import json
import re

import pytest

from kdsearch.commands import run
from kdsearch.progress import Progress
from kdsearch.spec.teacher_card import read_card
from tests.cards import write_card
from tests.plugging import plugged

MISTAKES = '''
from kdsearch.spec.metric import Metric
from kdsearch.tasks.classification import Classification as _Classification


class Mistakes(_Classification):
    """The same images, judged by how many of a hundred answers are wrong."""

    metric = Metric("mistakes", better="lower", label="wrong answers", unit="of 100", times=100, digits=1)

    @classmethod
    def rate_each(cls, outputs, labels):
        return 1 - super().rate_each(outputs, labels).float()

    @classmethod
    def judge_each(cls, outputs, label_B):
        right_B, loss_B = super().judge_each(outputs, label_B)
        return ~right_B, loss_B
'''


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_teach_says_how_good_the_teacher_is_and_where_its_card_lies(tmp_path, capsys):
    assert run(["teach", str(write_card(tmp_path)), "--set", "recipe.epochs=1"]) == 0
    said = capsys.readouterr()
    first, second, third = said.out.splitlines()
    assert first.startswith("accuracy on the test images: ")
    assert second.startswith("accuracy on the validation images: ")
    assert third.endswith(f"in a study: teacher: {tmp_path / 'runs/teach-tiny/card.yaml'}")
    assert "teach   6/6  tiny  epoch 1" in said.err


def test_another_tasks_teacher_is_told_of_in_its_own_figure(tmp_path, capsys):
    card = write_card(tmp_path)
    card.write_text(card.read_text().replace("task: {", "task: {name: mistakes, "), encoding="utf-8")
    with plugged(tmp_path, mistakes=("tasks", MISTAKES)):
        assert run(["teach", str(card), "--set", "recipe.epochs=1"]) == 0
        taught = read_card(tmp_path / "runs/teach-tiny/card.yaml")
    said = capsys.readouterr()
    assert set(taught.metrics) == {"mistakes", "validation_mistakes"}
    tested, validated, _ = said.out.splitlines()
    assert tested == f"wrong answers on the test images: {100 * taught.metrics['mistakes']:.1f} of 100"
    assert (
        validated == f"wrong answers on the validation images: {100 * taught.metrics['validation_mistakes']:.1f} of 100"
    )
    assert re.search(r"validation mistakes \d+\.\d of 100", said.err)


def test_as_json_it_is_one_object(tmp_path, capsys):
    words = ["teach", str(write_card(tmp_path)), "--set", "recipe.epochs=1", "--run-dir", "here", "--json", "--quiet"]
    assert run(words) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert set(found) == {"name", "card", "weights", "sha256", "metrics", "seconds"}
    assert found["card"] == str(tmp_path / "here/card.yaml")
    assert 0 <= found["metrics"]["accuracy"] <= 1
    assert said.err == ""


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["nosuch"], "nosuch: no such teacher card, nor a shipped one ("),
        (
            ["lenet5_mnist5k", "--set", "recipe.epoch=2"],
            "--set recipe.epoch=2: recipe.epoch: unknown key; did you mean",
        ),
        (["timm_checkpoint"], "timm_checkpoint: the card has no task to train by; add it"),
        (
            ["resnet20_cifar10", "--quiet", "--set", "task.npz=gone.npz"],
            "{here}/gone.npz: file not found; correct task.npz",
        ),
    ],
)
def test_what_cannot_be_trained_is_a_line_and_exit_2(words, line, tmp_path, capsys):
    assert run(["teach", *words]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(line.format(here=tmp_path))


def test_a_stop_says_how_to_go_on(tmp_path, capsys, monkeypatch):
    def stop(self: object, progress: Progress) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("kdsearch.report.live.Lines.__call__", stop)
    assert run(["teach", str(write_card(tmp_path))]) == 130
    assert capsys.readouterr().err == "the same command again goes on where this one stopped\nstopped by Ctrl-C\n"
