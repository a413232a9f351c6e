"""How limits are written, and what they come to."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from kdsearch.spec.limits_sections import Bound, Limits


@pytest.mark.parametrize(
    ("text", "bound"),
    [("300M", 300e6), ("2.5k", 2500), ("1K", 1000), (7, 7), ("3e6", 3e6), ("1.5G", 1.5e9), ("12.5%", 0.125 * 48)],
)
def test_a_bound_is_a_number_with_a_unit_or_a_share_of_the_full_net(text, bound):
    assert Bound.read(text).resolve(48) == bound


@pytest.mark.parametrize("text", ["", "%", "101%", "0%", "-3", "0", "inf", "nan", "M", "3 apples", None, [1]])
def test_no_other_text_is_a_bound(text):
    with pytest.raises(ValueError, match="must be "):
        Bound.read(text)


def test_one_limit_alone_may_name_several_budgets():
    assert len(Limits(macs=["50%", "25%"], parameters="1M").macs) == 2
    with pytest.raises(ValidationError, match=r"only one limit may list several budgets \(got macs, parameters\)"):
        Limits(macs=["50%", "25%"], parameters=["1M", "2M"])


def test_limits_are_read_back_as_they_are_written_out():
    limits = Limits(macs=["50%", "300M"], size_bytes=None)
    written = limits.model_dump(mode="json")
    assert (written["macs"], written["size_bytes"]) == (["50%", 300e6], None)
    assert Limits(**written) == limits
    assert (limits.budgets, Limits().budgets) == (2, 1)


def test_a_window_without_a_limit_is_idle():
    assert Limits().idle() == {"window": "there is no limit to stay close to"}
    assert Limits(macs="50%").idle() == {}
