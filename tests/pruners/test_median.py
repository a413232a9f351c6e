from __future__ import annotations

from tests.curves import stopped_after

WHOLE = (0.5, 0.5, 0.5, 0.5)


def test_a_best_so_far_below_the_median_stops_a_trial_and_one_that_equals_it_does_not(tmp_path):
    rule = "name: median, startup_trials: 1, warmup_epochs: 0"
    behind, equal, first_good = (0.4, 0.9, 0.9, 0.9), WHOLE, (0.6, 0.1, 0.1, 0.1)
    assert stopped_after(tmp_path, rule, WHOLE, behind, equal, first_good) == [None, 1, None, None]


def test_the_trials_that_were_stopped_do_not_pull_the_median_down(tmp_path):
    """Of 0.5, 0.4, 0.4, 0.45 only the first was trained to its end: the median stays 0.5."""
    rule = "name: median, startup_trials: 1, warmup_epochs: 0"
    low, next_low = (0.4,) * 4, (0.45,) * 4
    assert stopped_after(tmp_path, rule, WHOLE, low, low, next_low) == [None, 1, 1, 1]


def test_young_trials_and_the_first_trials_are_let_be(tmp_path):
    low = (0.1,) * 6
    rule = "name: median, startup_trials: 2, warmup_epochs: 3"
    assert stopped_after(tmp_path, rule, (0.5,) * 6, low, (0.4,) * 6, low) == [None, None, None, 4]


def test_it_is_asked_every_so_many_epochs(tmp_path):
    rule = "name: median, startup_trials: 1, warmup_epochs: 1, interval_epochs: 3"
    late = (0.5, 0.5, 0.5, 0.5, 0.5, 0.5)
    assert stopped_after(tmp_path, rule, (0.6,) * 6, late) == [None, 2]
    assert stopped_after(tmp_path / "late", rule, (0.5, 0.5, 0.6, 0.6, 0.6, 0.6), late) == [None, 5]
