import pytest
import torch

from kdsearch.tracing.units import UnitRecorder, classify


def test_ties_are_transitive_and_the_smallest_unit_names_the_class():
    recorder = UnitRecorder()
    first, second, third = (recorder.leave((name, 0), 3) for name in "abc")
    recorder.tie(first, second)
    recorder.tie(second.flip(0), third)
    classes = classify(recorder)
    assert classes.of(second).tolist() == [1, 2, 3]
    assert classes.of(third).tolist() == [3, 2, 1]


@pytest.mark.parametrize("length", [2, 50])
def test_a_chain_of_ties_is_one_class(length):
    recorder = UnitRecorder()
    units = recorder.leave(("a", 0), length)
    recorder.tie(units[:-1], units[1:])
    assert set(classify(recorder).of(units).tolist()) == {1}


def test_a_frozen_unit_freezes_its_class_with_the_first_reason():
    recorder = UnitRecorder()
    first, second = recorder.leave(("a", 0), 2), recorder.leave(("b", 0), 2)
    recorder.tie(first, second)
    recorder.freeze(second[:1], "early")
    recorder.freeze(first[:1], "late")
    classes = classify(recorder)
    assert classes.reasons[int(classes.of(first)[0])] == "early"
    assert int(classes.of(first)[1]) not in classes.reasons


def test_meeting_a_place_of_fixed_size_freezes():
    recorder = UnitRecorder()
    units = recorder.leave(("a", 0), 2)
    recorder.tie(units, torch.tensor([0, int(units[1])]))
    classes = classify(recorder)
    assert [int(root) in classes.reasons for root in classes.of(units)] == [True, False]


def test_a_port_that_is_reached_twice_ties_what_arrives():
    recorder = UnitRecorder()
    first, second = recorder.leave(("a", 0), 2), recorder.leave(("b", 0), 2)
    recorder.arrive(("shared:in", 0), first)
    recorder.arrive(("shared:in", 0), second)
    assert classify(recorder).of(second).tolist() == first.tolist()
