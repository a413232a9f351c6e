from __future__ import annotations

from tests.curves import stopped_after


def test_a_figure_below_the_bound_stops_a_trial_once_the_warm_up_is_over(tmp_path):
    rule = "name: threshold, lower: 0.3, warmup_epochs: 1"
    curves = (0.1, 0.35, 0.2, 0.9), (0.1, 0.3, 0.3, 0.3), (0.1, 0.29, 0.9, 0.9)
    assert stopped_after(tmp_path, rule, *curves) == [3, None, 2]


def test_a_figure_above_the_upper_bound_stops_it_too(tmp_path):
    rule = "name: threshold, lower: 0.2, upper: 0.8, warmup_epochs: 0"
    assert stopped_after(tmp_path, rule, (0.5, 0.81, 0.5), (0.8, 0.2, 0.5), (0.1, 0.5, 0.5)) == [2, None, 1]


def test_the_last_epoch_stops_nothing(tmp_path):
    assert stopped_after(tmp_path, "name: threshold, lower: 0.3, warmup_epochs: 0", (0.5, 0.5, 0.1)) == [None]
