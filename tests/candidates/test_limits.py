from __future__ import annotations

import logging

import pytest

from kdsearch.candidates.limits import resolve
from kdsearch.candidates.space import Window
from kdsearch.errors import InfeasibleError
from kdsearch.spec.limits_sections import Limits

FULL = {"macs": 1_000_000, "parameters": 2_000, "size_bytes": 8_000}
SMALLEST = {"macs": 12_345, "parameters": 20, "size_bytes": 80}


def test_a_share_is_taken_of_the_full_net_and_the_window_lies_below_it():
    assert resolve(Limits(macs="50%", window=0.1), FULL, SMALLEST) == ((Window("macs", 450_000.0, 500_000.0),),)


def test_several_bounds_make_several_budgets_and_other_limits_hold_in_each():
    budgets = resolve(Limits(macs=["25%", "300k"], parameters=1000, window=0.5), FULL, SMALLEST)
    others = Window("parameters", None, 1000.0)
    assert budgets == (
        (Window("macs", 125_000.0, 250_000.0), others),
        (Window("macs", 150_000.0, 300_000.0), others),
    )


def test_without_a_window_anything_below_the_limit_will_do():
    assert resolve(Limits(macs="50%", window=None), FULL, SMALLEST) == ((Window("macs", None, 500_000.0),),)


def test_no_limits_are_one_budget_without_windows():
    assert resolve(Limits(), FULL, SMALLEST) == ((),)


def test_a_limit_below_the_smallest_net_names_it():
    wanted = r"^limits\.macs is 1,000; the smallest lenet5 has 12,345; raise the limit$"
    with pytest.raises(InfeasibleError, match=wanted):
        resolve(Limits(macs=1000), FULL, SMALLEST, net="lenet5")


def test_a_limit_above_the_full_net_is_the_full_net_and_a_warning(caplog):
    with caplog.at_level(logging.WARNING):
        assert resolve(Limits(macs="2M", window=0.5), FULL, SMALLEST) == ((Window("macs", 500_000, 1_000_000),),)
    assert "limits.macs is 2,000,000, but the full student has only 1,000,000" in caplog.text
