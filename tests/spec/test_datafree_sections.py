from __future__ import annotations

import pytest

from kdsearch.spec.datafree_sections import DataFreeOptions
from kdsearch.spec.sections import Augmentation

SPAN = {"search": "loguniform", "low": 0.1, "high": 10}


def test_the_papers_step_is_joint_and_at_constant_rates():
    options = DataFreeOptions(preset="dafl-paper")
    assert (options.student_steps, options.schedule, options.temperature) == (1, "constant", 1.0)
    assert (options.batch_size, options.synthesis.batch_size) == (512, 512)
    assert options.augment == Augmentation(crop=0, flip=False)
    assert options.synthesis.preset == "dafl-paper"


def test_the_paper_of_colour_images_has_its_own_sizes():
    options = DataFreeOptions(preset="dafl-paper", synthesis={"paper": "cifar10"})
    assert (options.synthesis.noise, options.synthesis.batch_size, options.synthesis.one_hot) == (1000, 1024, 0.05)


@pytest.mark.parametrize("given", [{}, {"preset": "dafl-paper"}, {"adversarial": SPAN, "synthesis": {"one_hot": SPAN}}])
def test_they_read_as_they_are_written(given):
    options = DataFreeOptions.model_validate(given)
    assert DataFreeOptions.model_validate(options.model_dump(mode="json")) == options


def test_amounts_that_are_searched_have_a_name_and_become_numbers():
    options = DataFreeOptions(
        adversarial=SPAN,
        student_steps={"search": "uniform", "low": 2, "high": 9},
        synthesis={"one_hot": SPAN, "bank": {"search": "uniform", "low": 1000, "high": 2000, "start": 1500}},
    )
    assert set(options.ranges) == {"adversarial", "student_steps", "synthesis.one_hot", "synthesis.bank"}
    assert [options.option_of(name) for name in ("adversarial", "synthesis.bank")] == ["adversarial", "synthesis"]
    assert not options.searches_widths
    settled = options.settled({"student_steps": 4.4, "synthesis.one_hot": 0.7})
    assert not settled.ranges
    assert (settled.adversarial, settled.student_steps) == (1.0, 4)
    assert (settled.synthesis.one_hot, settled.synthesis.bank) == (0.7, 1500)


def test_without_ranges_widths_are_searched():
    assert DataFreeOptions().searches_widths


@pytest.mark.parametrize("steps", [0, 10_001, {"search": "uniform", "low": 0, "high": 4}])
def test_a_student_takes_some_steps(steps):
    with pytest.raises(ValueError, match="student_steps"):
        DataFreeOptions(student_steps=steps)


def test_losses_inside_a_teacher_are_named_where_somebody_asked_for_them():
    assert DataFreeOptions().inside_teacher == {}
    assert DataFreeOptions(synthesis={"activation": 0}).inside_teacher == {}
    assert set(DataFreeOptions(synthesis={"batch_norm": 3.0}).inside_teacher) == {"synthesis.batch_norm"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"synthesis": {"through": "student"}, "adversarial": 1.0}, "adversarial: a student in the teacher's place is"),
        (
            {"synthesis": {"queries": 50_000}, "preset": "dafl-paper"},
            "synthesis.queries: preset: dafl-paper has no bank",
        ),
        ({"synthesis": {"queries": 50_000}}, r"augment: asks the teacher anew; say \{crop: 0, flip: false\} beside"),
        (
            {"synthesis": {"queries": 9000, "through": "student"}, "augment": {"crop": 0, "flip": False}},
            "queries: one step and 10 evaluations ask about 10,416 images; raise it, or evaluate less often",
        ),
    ],
)
def test_what_few_questions_do_not_go_with_is_refused(given, said):
    with pytest.raises(ValueError, match=said):
        DataFreeOptions(**given)


def test_whether_gradients_of_the_teacher_are_needed_depends_on_through():
    assert DataFreeOptions().descends_teacher
    assert not DataFreeOptions(synthesis={"through": "student"}).descends_teacher
    assert not DataFreeOptions(synthesis={"through": "differences"}).descends_teacher
