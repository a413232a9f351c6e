from __future__ import annotations

from tests.curves import stopped_after


def test_of_those_that_came_to_a_rung_the_better_half_goes_on(tmp_path):
    """Rungs are epochs 1, 2 and 4; the fourth trial is the best at epoch 1 and falls behind at epoch 2."""
    rule = "name: successive_halving, reduction_factor: 2"
    first, low, high, fading = (0.5,) * 6, (0.4,) * 6, (0.6,) * 6, (0.7, 0.1, 0.9, 0.9, 0.9, 0.9)
    assert stopped_after(tmp_path, rule, first, low, high, fading) == [None, 1, None, 2]


def test_between_rungs_nothing_is_stopped(tmp_path):
    rule = "name: successive_halving, reduction_factor: 2, min_epochs: 2"
    assert stopped_after(tmp_path, rule, (0.5,) * 6, (0.1, 0.6, 0.1, 0.6, 0.1, 0.1)) == [None, None]


def test_a_rung_that_is_passed_over_stops_nothing(tmp_path):
    rule = "name: successive_halving, reduction_factor: 2, min_early_stopping_rate: 2"
    assert stopped_after(tmp_path, rule, (0.5,) * 6, (0.1,) * 6) == [None, 4]


def test_the_first_to_come_are_stopped_where_others_are_to_be_compared_with_them(tmp_path):
    rule = "name: successive_halving, reduction_factor: 2, bootstrap_trials: 2"
    assert stopped_after(tmp_path, rule, (0.3,) * 6, (0.4,) * 6, (0.5,) * 6)[:2] == [1, 1]
