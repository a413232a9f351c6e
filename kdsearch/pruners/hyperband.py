"""Hyperband: successive halving that starts at several epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from kdsearch.pruners.base import Pruner
from kdsearch.spec.sections import Section

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

    from kdsearch.spec.metric import Metric


class Hyperband(Pruner):
    """Hyperband (Li et al. 2018) as Optuna has it; which bracket a trial belongs to follows from its number."""

    class Options(Section):
        """Trials are dealt out to brackets, each a successive halving that starts later than the one before.

        The first starts at ``min_epochs``; ``max_epochs`` says how many brackets there are, null: those of strategy.
        ``reduction_factor`` and ``bootstrap_trials`` are as of successive_halving.
        """

        min_epochs: int = Field(1, ge=1, le=1_000_000)
        max_epochs: int | None = Field(None, ge=1, le=1_000_000)
        reduction_factor: int = Field(3, ge=2, le=1000)
        bootstrap_trials: int = Field(0, ge=0, le=1_000_000)

    options: Hyperband.Options

    def make(self, epochs: int, metric: Metric) -> BasePruner:  # noqa: ARG002
        from optuna.pruners import HyperbandPruner

        chosen = self.options
        most = max(chosen.min_epochs, chosen.max_epochs or epochs)
        return HyperbandPruner(chosen.min_epochs, most, chosen.reduction_factor, chosen.bootstrap_trials)

    def first_epoch(self, epochs: int) -> int:  # noqa: ARG002
        return self.options.min_epochs
