"""Work in the driver's own process."""

from __future__ import annotations

import pytest

from kdsearch.executors.serial import Serial
from tests.executors import work


def test_it_is_set_up_at_the_first_item_and_once():
    begun: list[int] = []
    executor = Serial(Serial.Options())
    executor.start(begun.append, (7,))
    assert begun == []  # a search that is complete never pays for it
    assert [executor.submit(work.add, number).done() for number in range(3)] == [True] * 3
    assert begun == [7]


def test_a_set_up_that_fails_is_raised_at_once_and_tried_again():
    executor = Serial(Serial.Options())
    executor.start(work.begin_badly, ("faces.npz",))
    for _ in range(2):
        with pytest.raises(Exception, match=r"faces\.npz: missing"):
            executor.submit(work.add, 1)


def test_what_an_item_raises_waits_in_its_future_but_ctrl_c_does_not():
    executor = Serial(Serial.Options())
    executor.start(work.begin, (0,))
    assert isinstance(executor.submit(work.fail, 7).exception(), ValueError)

    def stop(item: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        executor.submit(stop, None)
    assert executor.submit(work.add, 1).result() == 1
