from __future__ import annotations

from tests.curves import stopped_after

FOUR = ((0.1,) * 3, (0.2,) * 3, (0.3,) * 3, (0.4,) * 3)


def test_only_the_best_quarter_of_whole_trainings_is_followed(tmp_path):
    """The upper quartile of 0.1, 0.2, 0.3 and 0.4 lies at 0.325."""
    rule = "name: percentile, percentile: 25, startup_trials: 4, warmup_epochs: 0"
    assert stopped_after(tmp_path, rule, *FOUR, (0.32,) * 3, (0.33,) * 3) == [None] * 4 + [1, None]


def test_a_hundred_percent_stop_only_what_is_behind_all(tmp_path):
    rule = "name: percentile, percentile: 100, startup_trials: 4, warmup_epochs: 0"
    assert stopped_after(tmp_path, rule, *FOUR, (0.09,) * 3, (0.11,) * 3) == [None] * 4 + [1, None]


def test_too_few_figures_at_an_epoch_stop_nothing(tmp_path):
    rule = "name: percentile, percentile: 50, startup_trials: 1, min_trials: 3, warmup_epochs: 0"
    low = (0.05,) * 3
    assert stopped_after(tmp_path, rule, FOUR[1], FOUR[2], low, low) == [None, None, None, 1]
