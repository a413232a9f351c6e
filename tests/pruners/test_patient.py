from __future__ import annotations

from tests.curves import stopped_after


def test_it_waits_for_so_many_epochs_without_a_better_figure(tmp_path):
    """With a patience of one, two epochs must both stay behind what came before them."""
    sinking, late, rising = (
        (0.5, 0.4, 0.4, 0.4, 0.4, 0.4),
        (0.5, 0.4, 0.6, 0.5, 0.5, 0.5),
        (0.1, 0.2, 0.3, 0.4, 0.5, 0.6),
    )
    assert stopped_after(tmp_path, "name: patient, patience: 1", sinking, late, rising) == [3, 5, None]


def test_a_loss_within_the_delta_counts_for_none(tmp_path):
    rule = "name: patient, patience: 0, min_delta: 0.1"
    assert stopped_after(tmp_path, rule, (0.5, 0.45, 0.42, 0.41), (0.5, 0.45, 0.3, 0.3)) == [None, 3]


def test_a_wrapped_pruner_must_agree(tmp_path):
    rule = "name: patient, patience: 0, wraps: {name: threshold, lower: 0.3, warmup_epochs: 0}"
    assert stopped_after(tmp_path, rule, (0.5, 0.4, 0.35, 0.2, 0.2), (0.1, 0.2, 0.25, 0.28, 0.29)) == [4, None]


def test_one_that_wraps_none_at_all_stops_none(tmp_path):
    rule = "name: patient, patience: 0, wraps: {name: median, startup_trials: 5}"
    assert stopped_after(tmp_path, rule, *((0.5, 0.4, 0.3, 0.2),) * 3) == [None] * 3
