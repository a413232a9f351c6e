"""Asynchronous successive halving."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from kdsearch.pruners.base import Pruner
from kdsearch.spec.sections import Section

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

    from kdsearch.spec.metric import Metric


class SuccessiveHalving(Pruner):
    """ASHA (Li et al. 2020) as Optuna has it."""

    class Options(Section):
        """At ``min_epochs``, then ``reduction_factor`` times as many, and so on, the best 1/``reduction_factor`` go on.

        They are compared with all that came so far, whatever became of them. ``min_early_stopping_rate``: so many of
        those epochs are passed over at the beginning. ``bootstrap_trials``: the first so many to reach such an epoch
        are stopped there, so that the next has others to be compared with.
        """

        min_epochs: int = Field(1, ge=1, le=1_000_000)
        reduction_factor: int = Field(4, ge=2, le=1000)
        min_early_stopping_rate: int = Field(0, ge=0, le=64)
        bootstrap_trials: int = Field(0, ge=0, le=1_000_000)

    options: SuccessiveHalving.Options

    def make(self, epochs: int, metric: Metric) -> BasePruner:  # noqa: ARG002
        from optuna.pruners import SuccessiveHalvingPruner

        chosen = self.options
        return SuccessiveHalvingPruner(
            chosen.min_epochs, chosen.reduction_factor, chosen.min_early_stopping_rate, chosen.bootstrap_trials
        )

    def first_epoch(self, epochs: int) -> int:  # noqa: ARG002
        return int(self.options.min_epochs * self.options.reduction_factor**self.options.min_early_stopping_rate)
