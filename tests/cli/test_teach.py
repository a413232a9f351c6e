from __future__ import annotations

import json

import pytest

from kdsearch.commands import run
from kdsearch.progress import Progress
from tests.cards import write_card


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
        (["resnet20_cifar10", "--quiet", "--set", "task.npz=gone.npz"], "{here}/gone.npz: file not found (task.npz)"),
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
