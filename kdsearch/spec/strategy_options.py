"""What a strategy's options answer about themselves, so that nobody asks which strategy they are of; no torch here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from kdsearch.spec.metric import Metric
from kdsearch.spec.sections import Recipe, Section
from kdsearch.spec.terms import Range

Start = Literal["scratch", "inherited"]
"""Which weights a training goes on from: fresh ones, or those that the search's strategy has for the candidate."""


class StrategyOptions(Section):
    """The options of any strategy, for ``strategy`` as for ``finish``.

    ``for_search``: the options that its ``train`` does not read, so that ``finish`` has no use for them.
    """

    for_search: ClassVar[frozenset[str]] = frozenset()

    @property
    def asks_teacher(self) -> bool:
        """Whether it learns from the study's teacher."""
        return False

    @property
    def inside_teacher(self) -> Mapping[str, str]:
        """What of it reads inside the teacher, not its answers alone, by the study's names, and what to say instead."""
        return {}

    @property
    def descends_teacher(self) -> bool:
        """Whether it needs the gradients of the teacher's answers."""
        return False

    @property
    def ranges(self) -> Mapping[str, Range]:
        """The amounts that a search is to find, by the names that candidates give them."""
        return {}

    def option_of(self, amount: str) -> str:
        """The option in which the range of that name is written."""
        return amount

    @property
    def searches_widths(self) -> bool:
        """Whether widths are searched, too, or alone; else every candidate has the uniform ones."""
        return True

    @property
    def score_metric(self) -> Metric | None:
        """What a ``score`` is, higher is better, where candidates are compared by one; None: by the task's metric."""
        return None

    @property
    def trains_candidates(self) -> bool:
        """Whether it scores a candidate by a training that reports each epoch, which a pruner may stop."""
        return False

    @property
    def trained_epochs(self) -> int | None:
        """The epochs that a training takes; None where it is not counted in epochs, and cannot be shortened."""
        return None

    @property
    def without_data(self) -> bool:
        """Whether it makes what it learns from, which takes its time, so that a run is timed before it begins."""
        return False

    @property
    def lengths(self) -> Mapping[str, int]:
        """The options that its time grows with in proportion."""
        return {} if self.trained_epochs is None else {"epochs": self.trained_epochs}

    def shortened(self, epochs: int) -> Self:
        """The options of a training of so many epochs."""
        raise ValueError(f"{type(self).__qualname__} has no epochs to set to {epochs}")

    @property
    def least_images(self) -> tuple[str, int]:
        """The option that asks for the most training images, and how many those are."""
        return "", 1

    def hand_on(self, strategy: Mapping[str, Any], finish: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a ``finish`` of the same name takes over from what was written for ``strategy``, where it is silent.

        By default the ranges: a student is trained with the amounts that were found for it.
        """
        searched = {self.option_of(amount) for amount in self.ranges}
        return {key: strategy[key] for key in searched if key in strategy and key not in finish}


class TrainingOptions(StrategyOptions, Recipe):
    """The options of a strategy that trains by a recipe, its candidates too unless it says otherwise."""

    @property
    def trains_candidates(self) -> bool:
        return True

    @property
    def trained_epochs(self) -> int | None:
        return self.epochs

    def shortened(self, epochs: int) -> Self:
        return self.model_copy(update={"epochs": epochs})

    @property
    def least_images(self) -> tuple[str, int]:
        return "batch_size", self.batch_size
