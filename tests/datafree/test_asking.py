"""A student beside generators whose teacher only answers: a file, or a card that is taken for one."""

from __future__ import annotations

import pytest
import torch

from kdsearch.datafree.learner import DataFreeLearner
from kdsearch.datafree.making import make_synthesis
from kdsearch.errors import SpecError
from kdsearch.spec.datafree_sections import DataFreeOptions
from kdsearch.spec.synthesis_sections import FRESH, SynthesisOptions
from kdsearch.teaching.file_teachers import load_file_teacher
from kdsearch.training.learner import Moment
from kdsearch.training.loop import Setting, fit
from tests.answering import Answers, named, save_script
from tests.toys import CPU, SHAPE, make_task, make_toy

SMALL = {"width": 4, "noise": 8, "batch_size": 32, "bank": 300, "probe": 48, "test": 48, "procedural": 1}
SEEN = ((0.3,), (0.3,))


@pytest.fixture
def teacher(tmp_path):
    """A file that has no gradients, as an ONNX file has none."""
    path = save_script(Answers(lambda logits, _: logits.detach()), tmp_path / "net.pt")
    found = load_file_teacher(named(path), make_task(), CPU)
    assert found.gives == "logits"
    return found


def learner(teacher, through="student", **options) -> DataFreeLearner:
    given = {"epochs": 2, "rounds": 10, "student_steps": 4, "batch_size": 24, "augment": {"crop": 0, "flip": False}}
    synthesis = SMALL | {"through": through, "queries": options.pop("queries", None)}
    plan = DataFreeOptions(**given | {"synthesis": synthesis} | options)
    return DataFreeLearner(teacher, make_toy(), SHAPE, plan, statistics=SEEN, seed=0)


@pytest.mark.parametrize("through", ["student", "differences"])
def test_a_student_learns_from_answers_alone(teacher, through):
    made, task = learner(teacher, through, learning_rate=5e-3, epochs=3, rounds=15), make_task()
    before = task.evaluate(made.student, "test", device=CPU)["accuracy"]
    fit(made, Setting(0, CPU))
    assert before < 0.5
    assert task.evaluate(made.student, "test", device=CPU)["accuracy"] > 0.6
    assert made.synthesiser.queries == teacher.net.queries


@pytest.mark.parametrize("through", ["student", "differences"])
def test_generators_are_changed_by_what_the_teacher_answers(teacher, through):
    made = learner(teacher, through)
    before = [value.clone() for value in made.synthesiser.generators[0].parameters()]
    made.step((), Moment(0, 10, 10, 0))
    after = list(made.synthesiser.generators[0].parameters())
    assert any(not torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_when_no_more_may_be_asked_the_student_goes_on_with_what_there_is(teacher):
    made = learner(teacher, queries=3 * (32 + 2 * 32) + 2 * FRESH + 10)
    for step in range(6):
        before = [value.clone() for value in made.student.parameters()]
        made.step((), Moment(step, 20, 10, 0))
        assert made.synthesiser.queries == 96 * min(step + 1, 3)
        assert any(not torch.equal(one, other) for one, other in zip(before, made.student.parameters(), strict=True))
    assert made.figures()["queries"] == 288


def test_all_that_is_asked_in_a_training_is_within_what_is_allowed(teacher):
    made = learner(teacher, queries=3 * 96 + 2 * FRESH + 10)
    history = fit(made, Setting(0, CPU))
    assert history[-1]["queries"] == teacher.net.queries == 3 * 96 + 2 * FRESH


def test_questions_are_counted_on_after_a_checkpoint(teacher):
    made = learner(teacher)
    made.step((), Moment(0, 20, 10, 0))
    state = made.state()
    again = learner(teacher)
    again.load(state)
    again.step((), Moment(1, 20, 10, 0))
    assert again.synthesiser.queries == 2 * 96


def test_a_rival_is_shown_the_pixels_that_the_teacher_judges(teacher):
    """The student reads images by other numbers than the teacher; what it is asked must be the same pixels."""
    made, pixels = learner(teacher), torch.rand(4, *SHAPE)
    image = (pixels - teacher.mean[0]) / teacher.std[0]
    made.student.eval()
    torch.testing.assert_close(made._rival(image), made.student((pixels - 0.3) / 0.3), rtol=1e-4, atol=1e-4)


def test_a_bank_alone_is_filled_as_far_as_questions_reach(teacher):
    """Where a step may ask about 32 images twice and once more moved, and about twice 32 that are drawn."""
    options = SynthesisOptions(
        **SMALL, through="differences", steps=40, queries=5 * (3 * 32 + 2 * 32) + 10 * FRESH + 31
    )
    made = make_synthesis(teacher, SHAPE, options, 0)
    fit(made, Setting(0, CPU))
    assert made.synthesiser.queries == 5 * 160 + 10 * FRESH
    assert made.bank.seen == 5 * 64


def test_a_bank_alone_with_too_few_questions_for_its_evaluations_is_refused(teacher):
    options = SynthesisOptions(**SMALL, through="differences", queries=5_000)
    with pytest.raises(
        SpecError, match=r"^task\.synthesis\.queries: one step and 10 evaluations ask about 10,160 images"
    ):
        make_synthesis(teacher, SHAPE, options, 0)
