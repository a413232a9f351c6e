"""Each rule, provoked in a training of the toy: what went astray goes back, and nothing else does."""

from __future__ import annotations

import io
import logging
import math
from dataclasses import replace

import pytest
import torch
from PIL import Image

from kdsearch.datafree.control import BestStudent
from kdsearch.datafree.learner import DataFreeLearner
from kdsearch.errors import KdsearchError
from kdsearch.spec.datafree_sections import DataFreeOptions
from kdsearch.spec.sections import Augmentation
from kdsearch.training import loop
from kdsearch.training.loop import Setting, fit
from tests.toys import CPU, SHAPE, bars_teacher, make_toy

pytestmark = [pytest.mark.timeout(60), pytest.mark.usefixtures("one_thread")]


MADE = {"width": 4, "noise": 8, "batch_size": 32, "procedural": 0, "bank": 300, "probe": 48, "test": 48}


def small(teacher=None, synthesis=None, seed=0, **options) -> DataFreeLearner:
    """Fifteen rounds an epoch, unless ``options`` say otherwise, for a student that is one layer."""
    given = {"rounds": 15, "student_steps": 1, "batch_size": 24, "synthesis": MADE | (synthesis or {})}
    plan = DataFreeOptions(**given | {"augment": Augmentation(crop=0, flip=False)} | options)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        student = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))
    return DataFreeLearner(teacher or bars_teacher(), student, SHAPE, plan, statistics=((0.3,), (0.3,)), seed=seed)


def one_class_teacher():
    """Calls everything an upright bar."""
    teacher = bars_teacher()
    with torch.no_grad():
        teacher.net[2].bias.copy_(torch.tensor([90.0, 0, 0]))
    return teacher


def spoil(net: torch.nn.Module) -> None:
    with torch.no_grad():
        for value in net.parameters():
            value.fill_(math.nan)


def finite(net: torch.nn.Module) -> bool:
    return all(bool(value.isfinite().all()) for value in net.parameters())


SOON = {"convergence": {"grace": 30}}  # two evaluations


class Spoiled:
    """A training in which something breaks in the middle of an epoch."""

    def __init__(self, made, at: int, what) -> None:
        self.made, step = made, made.step

        def broken(batch, moment):
            if moment.step == at:
                what()
            step(batch, moment)

        made.step = broken


def test_in_a_training_that_goes_well_nobody_intervenes(caplog):
    made = small(epochs=8, synthesis=SOON)
    history = fit(made, Setting(0, CPU))
    assert [record["collapses"] for record in history] == [0] * 8
    assert [*made.figures()][:4] == ["loss", "probe_kl", "probe_agreement", "class_entropy"], "what displays show first"
    assert made.control.recovery.student_rate == made.synthesiser.rate_share == 1
    assert not caplog.messages


def test_a_teacher_that_sees_one_class_ends_the_training_with_the_reason(caplog):
    said = r"collapsed 4 times \(.*; the teacher sees no image of class 1, 2\); lower synthesis"
    with caplog.at_level(logging.WARNING), pytest.raises(KdsearchError, match=said):
        fit(small(one_class_teacher(), epochs=12, synthesis=SOON), Setting(0, CPU))
    assert [message.split(":")[0] for message in caplog.messages] == [
        "the generator goes back",
        "the generator goes back",
        "the generator begins anew",
    ]


def test_a_generator_that_runs_away_is_called_back_more_slowly(caplog):
    made = small(epochs=5, synthesis=SOON | {"learning_rate": 1e3})
    with caplog.at_level(logging.WARNING):
        history = fit(made, Setting(0, CPU))
    assert 0 < history[-1]["collapses"] < 4
    assert made.synthesiser.rate_share == 0.5 ** history[-1]["collapses"]
    assert "the generator goes back" in caplog.text


def test_images_that_are_no_numbers_reach_no_bank_and_the_generator_goes_back():
    made = small(epochs=3)
    Spoiled(made, 18, lambda: spoil(made.synthesiser.generators[0]))  # in the second epoch of 15 steps
    history = fit(made, Setting(0, CPU))
    assert finite(made.synthesiser.generators[0])
    assert [record["collapses"] for record in history] == [0, 1, 1]
    assert [record["images"] for record in history] == [15 * 32, 18 * 32, 33 * 32]
    assert history[2]["loss"] < history[0]["loss"], "the student learned on from the bank"
    assert made.synthesiser.rate_share == 0.5


def test_a_first_epoch_without_any_image_is_survived():
    made = small(epochs=2)
    Spoiled(made, 0, lambda: spoil(made.synthesiser.generators[0]))
    history = fit(made, Setting(0, CPU))
    assert [record["images"] for record in history] == [0, 15 * 32]
    assert "probe_kl" not in history[0]
    assert history[1]["probe_kl"] > 0
    made.picture()


def test_a_student_that_is_no_number_goes_back_to_its_best_with_half_its_rate():
    made = small(epochs=3)
    Spoiled(made, 31, lambda: spoil(made.student))  # in the third epoch
    history = fit(made, Setting(0, CPU))
    assert "probe_kl" not in history[2]
    assert finite(made.student)
    assert made.probe()["probe_kl"] == pytest.approx(made.select())
    assert made.control.student_rate == 0.5
    assert history[2]["collapses"] == 0


def test_a_student_that_goes_astray_goes_back_to_its_best(caplog):
    made = small(epochs=8)

    def push() -> None:
        with torch.no_grad():
            made.student[1].weight.mul_(-3)
        made._plan = made._plan.model_copy(update={"learning_rate": 1e-9})  # it cannot mend itself

    Spoiled(made, 46, push)  # in the fourth epoch: astray in that, the fifth and the sixth
    with caplog.at_level(logging.WARNING):
        history = fit(made, Setting(0, CPU))
    kept = [record["probe_kl"] > 1.3 * record["kept_kl"] for record in history[1:]]
    assert kept == [False, False, True, True, True, False, False]
    assert made.control.student_rate == 0.5
    assert "the student goes back" in caplog.text


def test_training_ends_once_a_student_at_its_lowest_rate_gains_nothing():
    made = small(epochs=30, learning_rate=1e-9, schedule="constant", rounds=4)
    assert len(fit(made, Setting(0, CPU))) == 9, "the first evaluation is the best, eight more bring nothing"
    other = small(epochs=12, learning_rate=1e-9, rounds=4)
    assert len(fit(other, Setting(0, CPU))) == 11, "a schedule has its floor at its end"


def test_the_best_student_so_far_is_asked_again_on_the_probe_as_it_is_now():
    made = small(epochs=4)
    history = fit(made, Setting(0, CPU))
    weights = made._best.weights
    made.student.load_state_dict(weights)
    assert made.probe()["probe_kl"] == pytest.approx(made._keep_up())
    assert "kept_kl" not in history[0]
    assert history[1]["kept_kl"] != history[0]["probe_kl"], "the probe has grown since"


TROUBLED = {"convergence": {"diversity": 1.0, "grace": 0}}  # half of all evaluations are a collapse


@pytest.mark.medium
def test_a_training_with_setbacks_ends_in_the_same_bits_wherever_it_was_killed(tmp_path, monkeypatch):
    def make():
        return small(epochs=6, synthesis=TROUBLED)

    whole = make()
    expected = fit(whole, Setting(0, CPU))
    assert expected[-1]["collapses"] > 0
    monkeypatch.setattr(loop, "_SAVE_SECONDS", 0.0)
    monkeypatch.setattr(loop, "_WATCH_SECONDS", 0.0)
    steps: list[int] = []

    def die_at_every_seventh(progress) -> None:
        steps.append(progress.step)
        if len(steps) % 7 == 0:
            raise InterruptedError

    for _ in range(40):
        last, setting = make(), Setting(0, CPU, tmp_path / "it.pt", die_at_every_seventh)
        try:
            history = fit(last, setting)
            break
        except InterruptedError:
            continue
    assert [{**each, "seconds": 0} for each in history] == [{**each, "seconds": 0} for each in expected]
    for one, other in zip(whole.student.parameters(), last.student.parameters(), strict=True):
        assert torch.equal(one, other)
    assert whole.control.recovery == last.control.recovery
    assert whole.select() == last.select()


def test_what_is_kept_is_not_changed_by_going_on_from_it():
    student = make_toy().eval()  # without dropout
    optimizer = torch.optim.Adam(student.parameters(), lr=0.1)

    def descend() -> None:
        optimizer.zero_grad()
        student(torch.ones(4, 1, 8, 8)).square().sum().backward()
        optimizer.step()

    descend()
    best = BestStudent(student, optimizer)
    best.keep(0.5)
    kept = [value.clone() for value in best.weights.values()]
    for _ in range(2):
        best.go_back()
        descend()
        if not kept[0].equal(student.state_dict()[next(iter(best.weights))]):
            ends = [value.clone() for value in student.parameters()]
    assert all(map(torch.equal, kept, best.weights.values()))
    best.go_back()
    descend()
    assert all(map(torch.equal, ends, student.parameters())), "the optimiser went back as well"


def test_the_picture_of_an_evaluation_has_its_fresh_images_and_those_of_the_bank():
    made = small(epochs=1)
    assert made.picture() is None
    shown = []
    fit(made, Setting(0, CPU, show=lambda epoch, png: shown.append((epoch, png))))
    ((epoch, png),) = shown
    assert epoch == 1
    assert Image.open(io.BytesIO(png)).size[0] == 4 + 3 * 60  # three classes, images of 56 pixels


def test_the_teachers_batch_norms_are_watched_where_it_has_some():
    plain = small(epochs=1)
    assert "batch_norm_distance" not in fit(plain, Setting(0, CPU))[0]
    teacher = replace(bars_teacher(), net=make_toy(trained=True).requires_grad_(False).eval())
    assert fit(small(teacher, epochs=1), Setting(0, CPU))[0]["batch_norm_distance"] > 0
