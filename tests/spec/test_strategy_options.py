"""What options answer about themselves."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from kdsearch.spec.strategy_options import StrategyOptions, TrainingOptions
from kdsearch.spec.terms import Range


class Searching(TrainingOptions):
    """Searches its learning rate, under another name."""

    @property
    def ranges(self) -> Mapping[str, Range]:
        return {"rate": Range(search="uniform", low=0.1, high=0.2)}

    def option_of(self, amount: str) -> str:
        return {"rate": "learning_rate"}[amount]


def test_a_strategy_that_says_nothing_needs_no_teacher_and_trains_no_candidate():
    options = StrategyOptions()
    assert not options.asks_teacher
    assert not options.trains_candidates
    assert options.searches_widths
    assert (options.score_metric, options.trained_epochs, options.least_images) == (None, None, ("", 1))
    with pytest.raises(ValueError, match="StrategyOptions has no epochs to set to 3"):
        options.shortened(3)


def test_one_that_trains_by_a_recipe_can_be_shortened_and_needs_a_batch_of_images():
    options = TrainingOptions(epochs=9, batch_size=24)
    assert options.trains_candidates
    assert (options.trained_epochs, options.least_images) == (9, ("batch_size", 24))
    short = options.shortened(3)
    assert (short.trained_epochs, options.trained_epochs) == (3, 9)
    assert short.batch_size == 24


def test_a_finish_takes_over_what_is_searched_where_it_is_silent():
    strategy = {"learning_rate": "a range", "epochs": 9}
    assert Searching().hand_on(strategy, {"epochs": 3}) == {"learning_rate": "a range"}
    assert Searching().hand_on(strategy, {"learning_rate": 0.1}) == {}
    assert Searching().hand_on({"epochs": 9}, {}) == {}
    assert TrainingOptions().hand_on(strategy, {}) == {}
