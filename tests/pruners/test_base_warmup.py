"""How long young trials are left alone."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from kdsearch.pruners.base_warmup import RankOptions, WarmupOptions


@pytest.mark.parametrize(("epochs", "first"), [(1, 2), (2, 2), (9, 4), (10, 4), (12, 5)])
def test_by_default_a_third_of_the_epochs_is_spared_and_one_at_least(epochs, first):
    assert WarmupOptions().first_epoch(epochs) == first


def test_a_number_that_is_given_holds_whatever_the_length():
    assert WarmupOptions(warmup_epochs=0).first_epoch(9) == 1
    assert RankOptions(warmup_epochs=7).first_epoch(100) == 8


@pytest.mark.parametrize("option", [{"warmup_epochs": -1}, {"interval_epochs": 0}])
def test_numbers_below_their_bound_are_refused(option):
    with pytest.raises(ValidationError):
        WarmupOptions(**option)
