"""What holds for everything that the training loop drives: it can be killed, resumed, told apart, stopped."""

from __future__ import annotations

import importlib
import pkgutil
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import kdsearch
from kdsearch.candidates.repair import draw_for
from kdsearch.datafree.learner import DataFreeLearner
from kdsearch.datafree.starts import StartsLearner
from kdsearch.datafree.synthesis_learner import SynthesisLearner
from kdsearch.errors import KdsearchError, StoreError
from kdsearch.pruningnet.making import make_generator
from kdsearch.pruningnet.supernet import Supernet, SupernetLearner
from kdsearch.spec.datafree_sections import DataFreeOptions
from kdsearch.spec.distill_sections import DistillationOptions
from kdsearch.spec.sections import Augmentation, Recipe
from kdsearch.spec.terms import Term
from kdsearch.teaching.lessons import Lesson, make_objective, make_pupil_of
from kdsearch.training import loop
from kdsearch.training.learner import Learner, Moment
from kdsearch.training.loop import History, Setting, fit, keeping_random_numbers, take_steps
from kdsearch.training.net import NetLearner, TaskObjective
from kdsearch.training.optim import make_optimizer
from tests.toys import CPU, SHAPE, bars_teacher, make_task, make_toy, toy_context, toy_teaching

RECIPE = Recipe(epochs=2, batch_size=24, learning_rate=0.02, augment=Augmentation(flip=False))  # 4 steps an epoch
pytestmark = pytest.mark.timeout(120)  # the first trace of a process takes seconds


class Interrupted(BaseException):
    """What kills a training in these tests."""


class Pair(Learner):
    """A student and a net that makes its images: two optimisers, and two steps of the student for one of the other."""

    stream = 90

    def __init__(self, recipe: Recipe, seed: int, data: str, hidden: int) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.maker = nn.Sequential(
                nn.Linear(4, hidden), nn.ReLU(), nn.Linear(hidden, 64), nn.Unflatten(1, (1, 8, 8))
            )
            self.student = make_toy()
        self.recipe, self.data, self.batches = recipe, data, make_task().train_batches(recipe, seed, CPU)
        self._optimizers = {
            "maker": make_optimizer(recipe, self.maker),
            "student": make_optimizer(recipe, self.student),
        }
        self._losses: list[float] = []

    def step(self, batch: tuple[Any, ...], moment: Moment) -> None:  # noqa: ARG002
        made_BCHW = self.maker(torch.randn(8, 4))
        self._descend("maker", self.student(made_BCHW).softmax(1).mean(0).square().sum())
        for _ in range(2):
            self._descend(
                "student", nn.functional.cross_entropy(self.student(batch[0] + made_BCHW.detach().mean()), batch[1])
            )

    def _descend(self, name: str, loss: Tensor) -> None:
        self._optimizers[name].zero_grad()
        loss.backward()
        self._optimizers[name].step()
        self._losses.append(loss.item())

    def figures(self) -> Mapping[str, float]:
        return {"loss": sum(self._losses) / len(self._losses)}

    def close_epoch(self) -> Mapping[str, float]:
        found, self._losses = self.figures(), []
        return found

    def state(self) -> dict[str, Any]:
        states = {name: optimizer.state_dict() for name, optimizer in self._optimizers.items()}
        nets = {"maker": self.maker.state_dict(), "student": self.student.state_dict()}
        return {"optimizers": states, "nets": nets, "losses": self._losses}

    def load(self, state: Mapping[str, Any]) -> None:
        for name, optimizer in self._optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
            getattr(self, name).load_state_dict(state["nets"][name])
        self._losses = state["losses"]


def plain(folder: Path, recipe: Recipe, seed: int, data: str, other: bool) -> Learner:
    task, model = task_of(data), make_toy() if not other else nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    return NetLearner(model, task, recipe, TaskObjective(task, recipe, seed, CPU), CPU)


def taught(folder: Path, recipe: Recipe, seed: int, data: str, other: bool) -> Learner:
    terms = [{"ce": 1.0}, {"kd": 1.0}, {"cc": {"balance": "gradient", "share": 0.3, "heads": 4}}]
    made = tuple(Term.model_validate(term) for term in terms)
    options = DistillationOptions(**{**recipe.model_dump(), "terms": made})
    teaching = toy_teaching(folder)
    if other:
        teaching = replace(teaching, teacher=replace(teaching.teacher, sha256="1" * 64))
    lesson = Lesson(task_of(data), teaching, options, CPU, 0)
    net = make_toy()
    pupil = make_pupil_of(lesson, net, seed)
    return NetLearner(pupil, lesson.task, options, make_objective(lesson, net, seed), CPU)


def pruningnet(folder: Path, recipe: Recipe, seed: int, data: str, other: bool) -> Learner:
    ctx = toy_context(folder)

    def draw(rng: np.random.Generator):
        return [ctx.widths.full, draw_for(ctx.space, ctx.widths.costs, ctx.budgets[0], rng)]

    generator = make_generator("lowrank" if other else "condnorm", ctx.net, ctx.widths, hidden=4)
    supernet = Supernet(ctx.net, ctx.widths, generator, distill=True)
    return SupernetLearner(supernet, task_of(data), recipe, draw, Setting(seed, CPU))


def pair(folder: Path, recipe: Recipe, seed: int, data: str, other: bool) -> Learner:
    return Pair(recipe, seed, data, 6 if other else 5)


def datafree(folder: Path, recipe: Recipe, seed: int, data: str, other: bool) -> Learner:
    small = {"width": 2, "noise": 4, "batch_size": 16, "bank": 100, "probe": 16, "test": 16}
    options = DataFreeOptions(**recipe.model_dump(), rounds=4, student_steps=2, synthesis=small)
    teacher = bars_teacher() if data == "bars" else replace(bars_teacher(), sha256="1" * 64)
    student = nn.Sequential(nn.Flatten(), nn.Linear(64, 3)) if other else make_toy()
    return DataFreeLearner(teacher, student, SHAPE, options, statistics=((0.3,), (0.3,)), seed=seed)


def task_of(data: str):
    task = make_task()
    task.digest = data
    return task


Maker = Callable[[Path, Recipe, int, str, bool], Learner]
MAKERS: dict[str, Maker] = {
    "plain": plain,
    "taught": taught,
    "pruningnet": pruningnet,
    "pair": pair,
    "datafree": datafree,
}
every_learner = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def made(
    make: Maker, folder: Path, *, seed: int = 0, data: str = "bars", other: bool = False, **change: Any
) -> Learner:
    return make(folder, RECIPE.model_copy(update=change), seed, data, other)


def tensors(value: Any) -> list[Any]:
    """Everything in a state, in order."""
    if isinstance(value, Mapping):
        return [found for key in sorted(value, key=str) for found in tensors(value[key])]
    return [found for item in value for found in tensors(item)] if isinstance(value, list | tuple) else [value]


def equal(one: Learner, other: Learner) -> bool:
    pairs = zip(tensors(one.state()), tensors(other.state()), strict=True)
    return all(torch.equal(a, b) if isinstance(a, Tensor) else a == b for a, b in pairs)


def untimed(history: History) -> list[dict[str, float]]:
    return [{key: value for key, value in record.items() if key != "seconds"} for record in history]


def save_and_tell_always(monkeypatch) -> None:
    for seconds in ("_SAVE_SECONDS", "_EPOCH_SAVE_SECONDS", "_WATCH_SECONDS"):
        monkeypatch.setattr(loop, seconds, 0.0)


def test_every_learner_is_here_and_has_random_numbers_of_its_own():
    for module in pkgutil.walk_packages(kdsearch.__path__, "kdsearch."):
        if module.name.split(".")[1] in ("training", "teaching", "pruningnet", "datafree", "strategies", "models"):
            importlib.import_module(module.name)
    kinds = [*Learner.__subclasses__()]
    kinds += [kind for parent in kinds for kind in parent.__subclasses__()]
    kinds = [kind for kind in kinds if kind.__module__.startswith("kdsearch.")]  # others are of tests
    assert set(kinds) == {NetLearner, SupernetLearner, SynthesisLearner, DataFreeLearner, StartsLearner}
    assert len({kind.stream for kind in (*kinds, Pair)}) == len(kinds) + 1


@every_learner
def test_killed_at_every_step_in_turn_it_ends_in_the_same_bits(make, tmp_path, monkeypatch):
    whole, steps = made(make, tmp_path), []
    expected = fit(whole, Setting(0, CPU))
    save_and_tell_always(monkeypatch)

    def die_at_the_second(progress) -> None:
        steps.append(progress.step)
        if len(steps) % 2 == 0:
            raise Interrupted

    setting = Setting(0, CPU, tmp_path / "x.pt", die_at_the_second)
    for _ in range(30):
        resumed = made(make, tmp_path)
        try:
            history = fit(resumed, setting)
            break
        except Interrupted:
            torch.rand(3)  # what else happens in the process must not matter
    assert set(steps) >= set(range(1, 9))
    assert equal(whole, resumed)
    assert untimed(history) == untimed(expected)


@every_learner
def test_steps_that_are_only_timed_are_those_that_a_training_takes(make, tmp_path):
    trained, timed = made(make, tmp_path), made(make, tmp_path)
    fit(trained, Setting(0, CPU))
    before = torch.get_rng_state()
    with keeping_random_numbers(CPU):
        steps = take_steps(timed, 0, CPU)
        for _ in range(8):  # 2 epochs of 4
            next(steps)
        steps.close()
    timed.close_epoch()
    assert equal(trained, timed)
    assert torch.equal(torch.get_rng_state(), before)


@every_learner
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 1}, r"seed 0 there, 1 here"),
        ({"learning_rate": 0.01}, r"learning_rate 0\.02 there, 0\.01 here"),
        ({"epochs": 3}, r"epochs 2 there, 3 here"),
        ({"batch_size": 12}, r"batch_size 24 there, 12 here"),
        ({"data": "others"}, r"other data"),
        ({"other": True}, r"(other (generator|objective|net)|another net)"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_the_checkpoint_of_another_training_is_refused_in_a_line_that_says_what_differs(make, tmp_path, change, said):
    stopped = Setting(0, CPU, tmp_path / "x.pt", deadline=time.monotonic())
    fit(made(make, tmp_path), stopped)
    with pytest.raises(StoreError) as refusal:
        fit(made(make, tmp_path, **change), replace(stopped, seed=change.get("seed", 0)))
    assert re.fullmatch(rf"\S+x\.pt: is the checkpoint of .*{said}.*; delete it to start over", str(refusal.value))


@every_learner
def test_a_loss_that_is_no_number_ends_it_and_is_not_saved(make, tmp_path, monkeypatch):
    save_and_tell_always(monkeypatch)
    setting = Setting(0, CPU, tmp_path / "x.pt", note="toy")
    with pytest.raises(
        KdsearchError, match=r"^training toy: the loss became (nan|inf) in epoch \d; lower learning_rate"
    ):
        fit(made(make, tmp_path, learning_rate=1e9, epochs=5), setting)
    kept = torch.load(setting.checkpoint, weights_only=True) if setting.checkpoint.exists() else {"history": []}
    assert all(np.isfinite(record["loss"]) for record in kept["history"])


@every_learner
def test_the_deadline_stops_it_saved_and_it_goes_on_later(make, tmp_path):
    whole = made(make, tmp_path)
    expected = fit(whole, Setting(0, CPU))
    late = Setting(0, CPU, tmp_path / "x.pt", deadline=time.monotonic())
    assert fit(made(make, tmp_path), late) == ()
    resumed = made(make, tmp_path)
    assert untimed(fit(resumed, replace(late, deadline=None))) == untimed(expected)
    assert equal(whole, resumed)


@every_learner
def test_a_finished_one_is_not_repeated(make, tmp_path):
    setting = Setting(0, CPU, tmp_path / "x.pt")
    history = fit(made(make, tmp_path), setting)
    steps: list[int] = []
    again = fit(made(make, tmp_path), replace(setting, watch=lambda progress: steps.append(progress.step)))
    assert (again, steps) == (history, [])


@every_learner
def test_records_count_epochs_and_torchs_generator_is_left_alone(make, tmp_path):
    learner, before = made(make, tmp_path), torch.get_rng_state()
    history = fit(learner, Setting(0, CPU))
    assert [record["epoch"] for record in history] == [1, 2]
    assert all(record["loss"] > 0 and record["seconds"] > 0 for record in history)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("content", [{}, {"of": {}}, {"of": 3}, {"epoch": 1}], ids=str)
def test_a_checkpoint_of_another_form_is_refused_in_a_line(tmp_path, content):
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(StoreError, match=r"is the checkpoint of another training \(.+\); delete it to start over"):
        fit(made(plain, tmp_path), Setting(0, CPU, tmp_path / "x.pt"))


def test_what_cannot_be_taken_over_is_refused_in_a_line(tmp_path):
    setting = Setting(0, CPU, tmp_path / "x.pt", deadline=time.monotonic())
    fit(made(plain, tmp_path), setting)
    whole = torch.load(setting.checkpoint, weights_only=True)
    for damage in ({"learner": {}}, {"learner": 3}, {"step": None, "learner": {"model": 3}}):
        torch.save(whole | damage, setting.checkpoint)
        with pytest.raises(StoreError, match=r"is the checkpoint of another net \(.+\); delete it to start over"):
            fit(made(plain, tmp_path), setting)
