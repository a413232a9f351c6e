from __future__ import annotations

import hashlib

import pytest
import torch

from kdsearch.datafree.learner import DataFreeLearner
from kdsearch.datafree.procedural import draw_procedural
from kdsearch.spec.datafree_sections import DataFreeOptions
from kdsearch.spec.sections import Augmentation
from kdsearch.training.learner import Moment
from kdsearch.training.loop import Setting, fit
from tests.toys import CPU, SHAPE, bars_teacher, make_task, make_toy

SMALL = {"width": 4, "noise": 8, "batch_size": 32, "bank": 300, "probe": 48, "test": 48}
SEEN = ((0.3,), (0.3,))


def learner(teacher=None, seed: int = 0, synthesis=None, **options) -> DataFreeLearner:
    given = {"epochs": 3, "rounds": 15, "student_steps": 4, "batch_size": 24, "synthesis": SMALL | (synthesis or {})}
    plan = DataFreeOptions(**given | {"augment": Augmentation(crop=1, flip=False)} | options)
    return DataFreeLearner(teacher or bars_teacher(), make_toy(), SHAPE, plan, statistics=SEEN, seed=seed)


def digest(net) -> str:
    return hashlib.sha256(b"".join(value.numpy().tobytes() for value in net.state_dict().values())).hexdigest()


def test_a_student_learns_the_bars_without_having_seen_one():
    made, task = learner(epochs=2, learning_rate=5e-3), make_task()
    before = task.evaluate(made.student, "test", device=CPU)["accuracy"]
    fit(made, Setting(0, CPU))
    assert before < 0.5
    assert task.evaluate(made.student, "test", device=CPU)["accuracy"] > 0.6


def test_the_teacher_is_the_same_afterwards():
    teacher = bars_teacher()
    before = digest(teacher.net)
    fit(learner(teacher, epochs=1), Setting(0, CPU))
    assert digest(teacher.net) == before


def test_a_students_loss_reaches_no_generator():
    """The generators end in the same weights, whatever the student does."""
    ends = []
    for steps in (1, 3):
        made = learner(student_steps=steps, epochs=1, synthesis={"batch_size": 32})
        with torch.random.fork_rng():
            for step in range(5):
                torch.manual_seed(step)
                made.step((), Moment(step, 5, 5, 0))
        ends.append(digest(made.synthesiser.generators[0]))
    assert ends[0] == ends[1]


def test_the_student_with_the_smallest_divergence_on_the_probe_counts():
    made = learner(epochs=2)
    fit(made, Setting(0, CPU))
    best = made.probe()["probe_kl"]
    with torch.no_grad():
        made.student.classifier.bias.add_(torch.tensor([5.0, 0, 0]))
    assert made.evaluate()["probe_kl"] > best
    assert made.select() == pytest.approx(best)
    assert made.probe()["probe_kl"] == pytest.approx(best)


def test_the_papers_step_is_one_of_either_net_on_the_same_images():
    plan = DataFreeOptions(preset="dafl-paper", synthesis={"probe": 48, "test": 48, "bank": 600})
    made = DataFreeLearner(bars_teacher(), make_toy(), SHAPE, plan, statistics=SEEN, seed=0)
    shown = []
    learn = made._learn

    def look(image_BCHW, taught_BC):
        shown.append((image_BCHW.shape, torch.equal(taught_BC, made.teacher.logits(image_BCHW))))
        return learn(image_BCHW, taught_BC)

    made._learn = look
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made.step((), Moment(0, 10, 10, 0))
    assert len(shown) == 1
    assert shown[0][0] == (512, *SHAPE)


def test_images_that_nobody_learned_to_make_stand_in_the_bank_with_the_teachers_answers():
    made = learner(synthesis={"procedural": 2.0})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made.step((), Moment(0, 10, 10, 0))
    assert made.bank.seen == 32 + 64
    pixels, logits = made.bank.part("train")
    answers, _ = made.teacher.answer(pixels, {})
    assert torch.allclose(answers.half(), logits, atol=1e-2)


def test_of_them_those_are_kept_that_show_all_classes_alike():
    made = learner()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        _, logits = made._pick_procedural()
        drawn = made.teacher.answer(draw_procedural(64, SHAPE, made.teacher.mean, made.teacher.std), {})[0]
    rarest = [answers.argmax(1).bincount(minlength=3).min() / len(answers) for answers in (logits, drawn)]
    assert rarest[0] > rarest[1]
