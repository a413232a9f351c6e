import math

import pytest

from kdsearch.datafree.recovery import Recovery
from kdsearch.errors import KdsearchError
from tests.datafree.readings import OPTIONS, SOUND, STEPS, reading

BROKEN = reading(absent=(3,))


def started(**options: object) -> Recovery:
    """A recovery whose generator has been sound for longer than the grace."""
    recovery = Recovery(OPTIONS.model_copy(update=options))
    for _ in range(OPTIONS.grace // STEPS + 1):
        recovery.tell(SOUND)
    return recovery


def test_a_sound_evaluation_keeps_generator_and_student():
    decision = Recovery(OPTIONS).tell(SOUND)
    assert (decision.generator, decision.student, decision.reason) == ("keep", "keep", "")
    assert (decision.generator_rate, decision.student_rate, decision.finished) == (1, 1, False)


def test_a_collapse_sends_the_generator_back_with_half_its_rate_and_leaves_the_student():
    decision = started().tell(BROKEN)
    assert (decision.generator, decision.student) == ("go back", "keep")
    assert (decision.generator_rate, decision.student_rate) == (0.5, 1)
    assert "goes back: the teacher sees no image of class 3" in decision.reason


def test_the_third_collapse_renews_the_generator_and_the_fourth_ends_the_training_with_every_reason():
    recovery = started()
    first, second, third = (recovery.tell(BROKEN) for _ in range(3))
    assert [each.generator for each in (first, second, third)] == ["go back", "go back", "renew"]
    assert third.generator_rate == 1 / 8
    for _ in range(OPTIONS.grace // STEPS):
        assert recovery.tell(BROKEN).generator == "go on", "a new generator has time to learn"
    with pytest.raises(KdsearchError, match=r"collapsed 4 times \(.*class 3; .*no numbers.*\); lower synthesis"):
        recovery.tell(reading(diversity=math.nan))


def test_collapses_are_counted_although_sound_evaluations_lie_between():
    recovery = started()
    kinds = [recovery.tell(each).generator for each in (BROKEN, SOUND, BROKEN, SOUND, BROKEN)]
    assert kinds == ["go back", "keep", "go back", "keep", "renew"]


def test_a_new_generator_is_excused_everything_but_infinite_numbers():
    recovery = Recovery(OPTIONS)
    assert recovery.tell(BROKEN).generator == "go on"
    assert recovery.tell(reading(class_entropy=math.nan)).generator == "go back"


def test_a_generator_under_suspicion_is_not_kept_to_go_back_to():
    recovery = started()
    assert recovery.tell(reading(class_entropy=0.8)).generator == "go on"
    assert recovery.tell(reading(class_entropy=0.8)).generator == "go back"


def test_the_best_student_on_the_same_probe_is_kept():
    recovery = started()
    kinds = [recovery.tell(reading(probe_kl=now, kept_kl=kept)).student for now, kept in ((0.5, 0.4), (0.39, 0.4))]
    assert kinds == ["go on", "keep"]
    assert Recovery(OPTIONS).tell(reading(probe_kl=9.0, kept_kl=None)).student == "keep", "the first one is the best"


def test_a_student_that_is_astray_three_times_running_goes_back_with_half_its_rate():
    recovery = started()
    astray, near = reading(probe_kl=0.53, kept_kl=0.4), reading(probe_kl=0.52, kept_kl=0.4)
    kinds = [recovery.tell(each).student for each in (astray, astray, near, astray, astray)]
    assert kinds == ["go on"] * 5
    decision = recovery.tell(astray)
    assert (decision.student, decision.generator) == ("go back", "keep")
    assert (decision.student_rate, decision.generator_rate) == (0.5, 1)
    assert "0.53 nats, 0.4 at best" in decision.reason
    assert recovery.tell(astray).student == "go on", "it begins to count again"


@pytest.mark.parametrize("kept", [0.4, None])
def test_a_student_that_is_no_number_goes_back_at_once(kept):
    decision = started().tell(reading(probe_kl=math.nan, kept_kl=kept))
    assert (decision.student, decision.student_rate) == ("go back", 0.5)


def test_a_student_that_is_no_number_for_the_fourth_time_ends_the_training():
    recovery = started()
    for _ in range(3):
        recovery.tell(reading(probe_kl=math.nan))
    with pytest.raises(KdsearchError, match="no number 4 times; lower learning_rate"):
        recovery.tell(reading(probe_kl=math.nan))


def test_it_ends_once_the_best_student_gained_less_than_one_percent_in_eight_evaluations_at_the_lowest_rate():
    flat = reading(probe_kl=0.4, kept_kl=0.4)
    slow = reading(probe_kl=0.4 * 0.992, kept_kl=0.4)
    recovery = Recovery(OPTIONS)
    ends = [recovery.tell(each, at_lowest_rate=True).finished for each in (slow, slow, *[flat] * 7)]
    assert ends == [False] * 8 + [True], "0.992 twice is a gain of 1.6 %, once of 0.8 %"
    assert not recovery.tell(flat, at_lowest_rate=False).finished
    assert not recovery.tell(BROKEN, at_lowest_rate=True).finished


def test_without_a_student_only_the_generator_is_judged():
    alone = reading(probe_kl=None, kept_kl=None, training_loss=None, fresh_agreement=None)
    recovery = Recovery(OPTIONS)
    decisions = [recovery.tell(alone, at_lowest_rate=True) for _ in range(20)]
    assert {(each.generator, each.student, each.finished) for each in decisions} == {("keep", "go on", False)}


def test_it_goes_on_from_its_state_as_if_it_had_not_stopped():
    low, astray = reading(class_entropy=0.8), reading(probe_kl=0.9, kept_kl=0.4)
    story = [SOUND, SOUND, low, low, SOUND, astray, astray, astray, low, low, SOUND, low, low]
    whole = Recovery(OPTIONS)
    told = [whole.tell(each) for each in story]
    assert {each.generator for each in told} == {"keep", "go on", "go back", "renew"}
    for cut in range(len(story)):
        before, after = Recovery(OPTIONS), Recovery(OPTIONS)
        for each in story[:cut]:
            before.tell(each)
        after.load(before.state())
        assert [after.tell(each) for each in story[cut:]] == told[cut:]
