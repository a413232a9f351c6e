from __future__ import annotations

import math
import time

import pytest
import torch
from torch import nn

from kdsearch.errors import KdsearchError, StoreError
from kdsearch.measures.layout import training_layout
from kdsearch.spec.sections import Augmentation, Recipe
from kdsearch.training import loop
from kdsearch.training.loop import Setting, fit
from kdsearch.training.net import NetLearner, TaskObjective, train_net

CPU = torch.device("cpu")
RECIPE = Recipe(epochs=3, batch_size=16, learning_rate=0.05, augment=Augmentation(crop=1, flip=False))  # 7 steps each


class Interrupted(BaseException):
    pass


def equal(one: nn.Module, other: nn.Module) -> bool:
    states = one.state_dict(), other.state_dict()
    return all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def fit_until(step, net, task, recipe, checkpoint, monkeypatch):
    """Trains with a save after every step and is killed right after the save that follows ``step``."""

    def watch(progress):
        if progress.step > step:
            raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_SAVE_SECONDS", 0.0)
        patch.setattr(loop, "_WATCH_SECONDS", 0.0)
        with pytest.raises(Interrupted):
            train_net(net, task, recipe, Setting(0, CPU, checkpoint, watch))


def test_a_net_learns_and_every_epoch_is_recorded(bars_task, make_net):
    net = make_net(0)
    seen = []
    setting = Setting(0, CPU, watch=seen.append, note="bars", evaluate_every_epochs=2)
    history = train_net(net, bars_task, RECIPE, setting)
    assert bars_task.evaluate(net, "test", device=CPU)["accuracy"] > 0.9
    assert [record["epoch"] for record in history] == [1, 2, 3]
    assert history[2]["loss"] < history[0]["loss"]
    assert [record["epoch"] for record in history if "validation_accuracy" in record] == [2, 3]
    assert seen[-1].step == seen[-1].total == 21
    assert seen[-1].note == "bars"


def test_a_net_learns_from_mixed_images_and_is_right_where_it_names_the_larger_share(bars_task, make_net):
    recipe = RECIPE.model_copy(update={"epochs": 8, "augment": Augmentation(crop=1, flip=False, mixup=0.2, cutmix=0.2)})
    net = make_net(0)
    history = train_net(net, bars_task, recipe, Setting(0, CPU))
    assert bars_task.evaluate(net, "test", device=CPU)["accuracy"] > 0.9
    assert 0.6 < history[-1]["train_accuracy"] <= 1


def test_the_first_epochs_figures_are_those_of_its_batches(bars_task, make_net):
    """With a rate too small to matter, in evaluation mode, the means are those of one pass over the batches."""
    net = make_net(0).eval()
    recipe = RECIPE.model_copy(update={"epochs": 1, "learning_rate": 1e-30})

    class InEvaluationMode:
        batches, identity = bars_task.train_batches(recipe, 0, CPU), ""

        def loss(self, model, batch):
            logits = model.eval()(batch[0])
            return nn.functional.cross_entropy(logits, batch[1]), logits

        def figures(self, _):
            return {"steps": 7.0}

    (record,) = train_net(net, bars_task, recipe, Setting(0, CPU), objective=InEvaluationMode())
    assert record["steps"] == 7
    passes = [(net(images), labels) for images, labels in bars_task.train_batches(recipe, 0, CPU).epoch(0)]
    losses = [nn.functional.cross_entropy(logits, labels).item() for logits, labels in passes]
    right = [float((logits.argmax(1) == labels).float().mean()) for logits, labels in passes]
    assert record["loss"] == pytest.approx(sum(losses) / 7, rel=1e-4)
    assert record["train_accuracy"] == pytest.approx(sum(right) / 7)


def test_a_training_reports_every_epoch_and_ends_with_the_one_that_it_is_told_to_stop_at(bars_task, make_net):
    told = []

    def report(epoch, value):
        told.append((epoch, value))
        return epoch == 2

    recipe = RECIPE.model_copy(update={"epochs": 5})
    history = train_net(make_net(0), bars_task, recipe, Setting(0, CPU, report=report))
    assert [record["epoch"] for record in history] == [1, 2]
    assert told == [(record["epoch"], record["validation_accuracy"]) for record in history]


def test_same_seed_same_net_another_seed_another(bars_task, make_net):
    nets = [make_net(0) for _ in range(3)]
    for net, seed in zip(nets, (1, 1, 2), strict=True):
        train_net(net, bars_task, RECIPE, Setting(seed, CPU))
    assert equal(nets[0], nets[1])
    assert not equal(nets[0], nets[2])


def test_torchs_own_generator_is_left_alone(bars_task, make_net):
    before = torch.get_rng_state()
    train_net(make_net(0), bars_task, RECIPE, Setting(0, CPU))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("step", [1, 6, 7, 10, 20])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_resumed_training_ends_in_the_same_bits(bars_task, make_net, tmp_path, monkeypatch, step, optimizer):
    recipe = RECIPE.model_copy(update={"optimizer": optimizer})
    whole, resumed = make_net(0), make_net(0)
    expected = train_net(whole, bars_task, recipe, Setting(0, CPU))
    fit_until(step, make_net(0), bars_task, recipe, tmp_path / "x.pt", monkeypatch)
    history = train_net(resumed, bars_task, recipe, Setting(0, CPU, tmp_path / "x.pt"))
    assert equal(whole, resumed)
    for record, other in zip(history, expected, strict=True):
        assert {key: record[key] for key in record if key != "seconds"} == {
            key: other[key] for key in other if key != "seconds"
        }


def test_a_finished_training_is_not_repeated(bars_task, make_net, tmp_path):
    first, again = make_net(0), make_net(1)
    setting = Setting(0, CPU, tmp_path / "x.pt")
    history = train_net(first, bars_task, RECIPE, setting)
    steps = []
    assert train_net(again, bars_task, RECIPE, Setting(0, CPU, tmp_path / "x.pt", steps.append)) == history
    assert not steps
    assert equal(first, again)


def test_the_deadline_stops_and_saves(bars_task, make_net, tmp_path):
    net, whole, resumed = (make_net(0) for _ in range(3))
    setting = Setting(0, CPU, tmp_path / "x.pt", deadline=time.monotonic())
    assert train_net(net, bars_task, RECIPE, setting) == ()
    train_net(whole, bars_task, RECIPE, Setting(0, CPU))
    assert len(train_net(resumed, bars_task, RECIPE, Setting(0, CPU, tmp_path / "x.pt"))) == 3
    assert equal(whole, resumed)


class Sated(NetLearner):
    """Has learned enough after two epochs, and shows their number."""

    epochs = 0

    def close_epoch(self):
        self.epochs += 1
        return super().close_epoch()

    @property
    def finished(self):
        return self.epochs == 2

    def picture(self):
        return f"epoch {self.epochs}".encode() if self.epochs > 1 else None

    def state(self):
        return super().state() | {"epochs": self.epochs}

    def load(self, state):
        super().load(state)
        self.epochs = state["epochs"]


def test_a_learner_that_has_finished_ends_the_training_for_good_and_shows_what_it_has(bars_task, make_net, tmp_path):
    shown = []
    setting = Setting(0, CPU, tmp_path / "net.pt", evaluate_every_epochs=5, show=lambda *seen: shown.append(seen))

    def sated():
        return Sated(make_net(0), bars_task, RECIPE, TaskObjective(bars_task, RECIPE, 0, CPU), CPU)

    history = fit(sated(), setting)
    assert [record["epoch"] for record in history] == [1, 2]
    assert "validation_accuracy" in history[-1], "the last epoch is validated, whichever it is"
    assert shown == [(2, b"epoch 2")]
    assert fit(sated(), setting) == history, "what it learned from the checkpoint is that it had finished"
    assert len(shown) == 1


@pytest.mark.parametrize("change", [{"epochs": 4}, {"learning_rate": 0.01}])
def test_the_checkpoint_of_another_recipe_is_refused(bars_task, make_net, tmp_path, change):
    train_net(make_net(0), bars_task, RECIPE, Setting(0, CPU, tmp_path / "x.pt"))
    other = RECIPE.model_copy(update=change)
    with pytest.raises(StoreError, match=rf"x\.pt: is the checkpoint of another training \({next(iter(change))} "):
        train_net(make_net(0), bars_task, other, Setting(0, CPU, tmp_path / "x.pt"))


def test_the_checkpoint_of_another_net_is_refused(bars_task, make_net, tmp_path):
    train_net(make_net(0), bars_task, RECIPE, Setting(0, CPU, tmp_path / "x.pt"))
    other = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    with pytest.raises(StoreError, match=r"x\.pt: is the checkpoint of another training \(other net\)"):
        train_net(other, bars_task, RECIPE, Setting(0, CPU, tmp_path / "x.pt"))


def test_a_damaged_checkpoint_gives_way_to_the_one_before(bars_task, make_net, tmp_path, monkeypatch, caplog):
    path = tmp_path / "x.pt"
    whole, resumed = make_net(0), make_net(0)
    train_net(whole, bars_task, RECIPE, Setting(0, CPU))
    fit_until(9, make_net(0), bars_task, RECIPE, path, monkeypatch)
    path.write_bytes(path.read_bytes()[:1000])
    train_net(resumed, bars_task, RECIPE, Setting(0, CPU, path))
    assert "going on from the checkpoint before it" in caplog.text
    assert equal(whole, resumed)


def test_a_loss_that_is_no_number_is_an_error_with_advice(bars_task, make_net):
    recipe = RECIPE.model_copy(update={"learning_rate": 1e20})
    with pytest.raises(KdsearchError, match=r"training bars: the loss became (nan|inf) in epoch 1; lower learn"):
        train_net(make_net(0), bars_task, recipe, Setting(0, CPU, note="bars"))


def test_weights_are_plain_after_channels_last_training(bars_task, make_net):
    net = make_net(0)
    with training_layout(net):
        assert net[3].weight.is_contiguous(memory_format=torch.channels_last)
        assert not net[3].weight.is_contiguous()
    assert all(parameter.is_contiguous() for parameter in net.parameters())


def test_clip_norm_bounds_the_first_step(bars_task):
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    before = {key: value.clone() for key, value in net.state_dict().items()}
    data = {"epochs": 1, "batch_size": 120, "learning_rate": 2.0, "clip_norm": 0.25, "weight_decay": 0.0}
    train_net(net, bars_task, Recipe(**data), Setting(0, CPU))
    moved = math.sqrt(sum(float((net.state_dict()[key] - before[key]).square().sum()) for key in before))
    assert moved == pytest.approx(0.5, rel=1e-3)


def test_bf16_trains_too(bars_task, make_net):
    net = make_net(0)
    train_net(net, bars_task, RECIPE.model_copy(update={"precision": "bf16"}), Setting(0, CPU))
    assert bars_task.evaluate(net, "test", device=CPU)["accuracy"] > 0.8


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.medium
@pytest.mark.timeout(120)
def test_cuda_trains_in_bf16_and_resumes(bars_task, make_net, tmp_path, monkeypatch):
    cuda = torch.device("cuda")
    whole, resumed = make_net(0), make_net(0)
    history = train_net(whole, bars_task, RECIPE, Setting(0, cuda))
    assert len(train_net(make_net(0), bars_task, RECIPE, Setting(0, cuda, tmp_path / "x.pt", deadline=0.0))) == 0
    assert len(train_net(resumed, bars_task, RECIPE, Setting(0, cuda, tmp_path / "x.pt"))) == len(history)
    assert bars_task.evaluate(resumed, "test", device=cuda)["accuracy"] > 0.9
