from __future__ import annotations

import pytest

from kdsearch.candidates.space import Candidate
from kdsearch.records import Outcome
from kdsearch.report.words import (
    say_bytes,
    say_count,
    say_duration,
    say_ms,
    say_percent,
    say_points,
    say_score,
    say_tick,
    say_value,
    say_values,
)
from kdsearch.spec.metric import LIKELIHOOD, Metric


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"),
        (7, "7"),
        (999, "999"),
        (999.6, "1.00 k"),
        (12_345, "12.3 k"),
        (1_234_567, "1.23 M"),
        (149_999_999, "150 M"),
        (4.1e9, "4.10 G"),
    ],
)
def test_counts_have_three_digits_and_a_unit(value, said):
    assert say_count(value) == said


def test_ticks_drop_zeros_that_say_nothing():
    assert say_tick(80_000_000) == "80 M"
    assert say_tick(72_500_000) == "72.5 M"
    assert say_tick(50) == "50"


def test_sizes_are_decimal_bytes():
    assert say_bytes(999) == "999 B"
    assert say_bytes(36_900_000) == "36.9 MB"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (5400, "1 h 30 min"),
    ],
)
def test_durations_have_their_two_largest_units(seconds, said):
    assert say_duration(seconds) == said


def test_differences_carry_their_sign_and_zero_is_never_negative():
    assert say_points(0.0149) == "+1.5"
    assert say_points(-0.02) == "−2.0"
    assert say_points(-0.0001) == "+0.0"


def test_a_figure_is_said_in_the_unit_that_its_name_asks_for():
    assert say_value("accuracy", 0.9134) == "91.3 %"
    assert say_value("macs", 12_300_000) == "12.3 M"
    assert say_value("size_bytes", 9_100_000) == "9.10 MB"
    assert say_value("latency_ms", 2.444) == say_ms(2.444) == "2.44 ms"
    assert say_value("seconds", 200) == "3 min 20 s"
    assert say_value("epoch", 3.0) == "3"
    assert say_value("loss", 0.12345) == "0.123"
    assert say_values({"train_accuracy": 0.5, "loss": 2}) == "train accuracy 50.0 %, loss 2"
    assert say_percent(0.5, 0) == "50 %"


def test_a_score_names_what_ranks_beside_the_accuracy():
    candidate = Candidate.of({"a": 1})
    plain, scored = (Outcome(0, candidate, "done", {"accuracy": 0.7002} | more) for more in ({}, {"score": -0.8563}))
    assert say_score(plain, None) == say_score(plain, LIKELIHOOD) == "70.02 %"
    assert say_score(scored, LIKELIHOOD) == "70.02 % (−0.856 nats)"
    assert say_score(scored, Metric("agreement", unit="%", times=100, digits=1)) == "70.02 % (−85.63 %)"
