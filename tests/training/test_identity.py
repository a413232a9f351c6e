"""What a refusal says of two trainings that differ."""

from __future__ import annotations

import pytest

from kdsearch.training.identity import digest_of, find_difference

NOW = {"epochs": "3", "data": "abc", "augment": '{"crop": 0.125, "flip": true, "cutout": 0.0}', "net": digest_of(1)}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, ""),
        ({"epochs": "4"}, "epochs 4 there, 3 here"),
        ({"epochs": "4", "data": "xyz"}, "epochs 4 there, 3 here, other data"),
        ({"augment": '{"crop": 0.0}'}, "other augment"),
        ({"net": digest_of(2)}, "other net"),
        ({"generator": "x"}, "other generator"),
    ],
)
def test_short_values_are_shown_and_long_ones_named(changed, said):
    assert find_difference(NOW | changed, NOW) == said


def test_what_is_missing_differs():
    assert find_difference({key: value for key, value in NOW.items() if key != "epochs"}, NOW) == "other epochs"
    assert find_difference(None, NOW) == "it does not say which"


def test_digests_tell_values_apart():
    assert digest_of([("a", (1, 2))]) == digest_of([("a", (1, 2))]) != digest_of([("a", (2, 1))])
