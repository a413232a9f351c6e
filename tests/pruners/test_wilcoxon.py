from __future__ import annotations

import pytest

from tests.curves import stopped_after

BEST = (0.5, 0.5, 0.5, 0.5, 0.5)
BEHIND = (0.4, 0.39, 0.38, 0.37, 0.36)


@pytest.mark.parametrize(("level", "epoch"), [(0.3, 2), (0.2, 3), (0.1, 4), (0.05, None)])
def test_epochs_that_are_all_worse_have_one_chance_in_two_to_their_number(tmp_path, level, epoch):
    """1/4 after two epochs, 1/8 after three, 1/16 after four; the fifth is the last, which stops nothing."""
    assert stopped_after(tmp_path, f"name: wilcoxon, p_threshold: {level}", BEST, BEHIND) == [None, epoch]


def test_a_trial_that_is_better_is_let_be(tmp_path):
    ahead = tuple(value + 0.1 for value in BEST)
    assert stopped_after(tmp_path, "name: wilcoxon, p_threshold: 0.3", BEST, ahead, BEHIND) == [None, None, 2]


def test_none_is_stopped_before_its_start(tmp_path):
    rule = "name: wilcoxon, p_threshold: 0.3, startup_epochs: 4"
    assert stopped_after(tmp_path, rule, BEST, BEHIND) == [None, 4]
