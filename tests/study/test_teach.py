from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from kdsearch.commands import run
from kdsearch.errors import DataError, SpecError, StoreError
from kdsearch.models.zoo import make_net
from kdsearch.progress import Progress
from kdsearch.spec.teacher_card import read_card
from kdsearch.study.teach import teach
from kdsearch.training import loop
from kdsearch.training.loop import Setting
from kdsearch.training.net import train_net
from kdsearch.weights import load_weights
from tests.cards import CLASSES, CPU, task_of, write_card

ROOT = Path(__file__).parents[2]


class Killed(BaseException):
    pass


def written(run_dir: Path) -> dict[str, bytes]:
    return {name: (run_dir / name).read_bytes() for name in ("card.yaml", "tiny.safetensors")}


def test_the_card_written_says_all_that_a_teacher_must(tmp_path):
    asked = read_card(write_card(tmp_path, "description: bars"))
    taught = teach(asked, tmp_path / "run")
    card, task = read_card(taught.card_path), task_of(asked)
    assert taught.card == card
    assert (card.name, card.description, card.net, card.recipe) == ("tiny", "bars", asked.net, asked.recipe)
    assert (card.classes, card.input.shape) == (CLASSES, (1, 8, 8))
    assert (card.mean, card.std, card.data_hash) == (task.mean, task.std, task.digest)
    assert card.weights == tmp_path / "run/tiny.safetensors"
    net = make_net(card.net.made_of(), num_classes=3, in_channels=1)
    net.load_state_dict(load_weights(card.weights))
    assert card.metrics["accuracy"] == task.evaluate(net, "test", device=CPU)["accuracy"] > 0.5
    assert card.metrics["validation_accuracy"] == task.evaluate(net, "validation", device=CPU)["accuracy"]
    assert not (tmp_path / "run/checkpoint.pt").exists()


def test_it_is_the_recipes_training_and_nothing_else(tmp_path):
    card = read_card(write_card(tmp_path))
    task, net = task_of(card), make_net(card.net.made_of(), num_classes=3, in_channels=1, image_size=8, seed=0)
    train_net(net, task, card.recipe, Setting(0, CPU))
    taught = load_weights(teach(card, tmp_path / "run").card.weights)
    assert all(torch.equal(value, taught[name]) for name, value in net.state_dict().items())


@pytest.mark.parametrize("step", [1, 7, 20])
def test_a_training_that_was_stopped_goes_on_to_the_same_bits(step, tmp_path, monkeypatch):
    card = read_card(write_card(tmp_path))
    teach(card, tmp_path / "whole")

    def stop(progress: Progress) -> None:
        if progress.phase == "teach" and progress.step > step:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_SAVE_SECONDS", 0.0)
        patch.setattr(loop, "_WATCH_SECONDS", 0.0)
        with pytest.raises(Killed):
            teach(card, tmp_path / "run", stop)
    assert not (tmp_path / "run/card.yaml").exists()
    steps: list[int] = []
    teach(card, tmp_path / "run", lambda progress: steps.append(progress.step) if progress.phase == "teach" else None)
    assert min(steps) > step  # nothing was done twice
    assert written(tmp_path / "run") == written(tmp_path / "whole")


@pytest.mark.medium
@pytest.mark.timeout(120)
def test_kill_9_and_the_same_command_again_ends_in_the_same_bits(tmp_path):
    path = write_card(tmp_path)
    program = (
        "import os, sys; from pathlib import Path\n"
        "from kdsearch.spec.teacher_card import read_card; from kdsearch.study.teach import teach\n"
        "from kdsearch.training import loop; loop._SAVE_SECONDS = loop._WATCH_SECONDS = 0.0\n"
        "teach(read_card(sys.argv[1]), Path(sys.argv[2]), lambda p: os.kill(os.getpid(), 9) if p.step > 9 else None)"
    )
    command = [sys.executable, "-c", program, path, tmp_path / "run"]
    killed = subprocess.run(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "run/checkpoint.pt").exists()
    assert run(["teach", str(path), "--run-dir", str(tmp_path / "run"), "--quiet"]) == 0
    assert run(["teach", str(path), "--run-dir", str(tmp_path / "whole"), "--quiet"]) == 0
    assert written(tmp_path / "run") == written(tmp_path / "whole")


def test_a_teacher_that_is_trained_is_left_alone(tmp_path, caplog):
    card = read_card(write_card(tmp_path))
    first = teach(card, tmp_path / "run")
    before = written(tmp_path / "run")
    again = teach(card, tmp_path / "run")
    assert (again.card, again.seconds) == (first.card, 0.0)
    assert written(tmp_path / "run") == before
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "is trained already; there is nothing left to do" in caplog.text


def test_a_trained_card_can_be_trained_again_elsewhere(tmp_path):
    first = teach(read_card(write_card(tmp_path)), tmp_path / "one")
    teach(first.card, tmp_path / "two")
    assert written(tmp_path / "one") == written(tmp_path / "two")


def test_another_seed_is_another_split_and_another_net(tmp_path):
    card = read_card(write_card(tmp_path))
    one, other = teach(card, tmp_path / "0").card, teach(card.model_copy(update={"seed": 1}), tmp_path / "1").card
    assert one.sha256 != other.sha256
    assert one.data_hash != other.data_hash
    assert one.seen != other.seen


def test_without_a_run_directory_it_is_trained_below_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert teach(read_card(write_card(tmp_path))).card_path == tmp_path / "runs/teach-tiny/card.yaml"


def test_another_training_in_the_directory_is_refused(tmp_path):
    card = read_card(write_card(tmp_path))
    teach(card, tmp_path / "run")
    other = card.model_copy(update={"seed": 1, "recipe": card.recipe.model_copy(update={"epochs": 1})})
    with pytest.raises(
        StoreError, match=r"run: holds the training of another card \(other seed, recipe\); name another"
    ):
        teach(other, tmp_path / "run")


def test_a_directory_of_something_else_is_refused(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/letter.txt").write_text("dear")
    with pytest.raises(StoreError, match="run: not empty, and no teacher is trained there; name another --run-dir"):
        teach(read_card(write_card(tmp_path)), tmp_path / "run")
    with pytest.raises(StoreError, match=r"letter.txt: the run directory cannot be made: file exists"):
        teach(read_card(write_card(tmp_path)), tmp_path / "run/letter.txt")


def test_what_a_killed_writer_left_is_no_reason_to_refuse(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/.asked.123.json").write_text("{")
    assert teach(read_card(write_card(tmp_path)), tmp_path / "run").card_path.is_file()


def test_a_card_that_says_no_way_to_train_is_refused(tmp_path):
    taught = teach(read_card(write_card(tmp_path)), tmp_path / "run").card
    for key in ("task", "recipe"):
        with pytest.raises(SpecError, match=f"tiny: the card has no {key} to train by; add it"):
            teach(taught.model_copy(update={key: None}), tmp_path / "other")


def test_data_that_are_not_there_are_a_line_and_leave_no_directory(tmp_path):
    card = read_card(write_card(tmp_path))
    options = card.task.options.model_copy(update={"npz": tmp_path / "gone.npz"})
    gone = card.model_copy(update={"task": card.task.model_copy(update={"options": options})})
    with pytest.raises(DataError, match=r"gone.npz: file not found"):
        teach(gone, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(DataError, match=r"gone.npz: file not found"):
        teach(gone, tmp_path / "run")
