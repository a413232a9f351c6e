"""Pruners that leave young trials alone."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from kdsearch.pruners.base import Pruner
from kdsearch.spec.sections import Section

_SPARED = 3  # a third of the epochs: figures of the first ones, with batch norm's young averages, are noise


class WarmupOptions(Section):
    """``warmup_epochs``: epochs in which no trial is stopped, null: a third of them and one at least.

    ``interval_epochs``: then a trial is judged every so many epochs.
    """

    warmup_epochs: int | None = Field(None, ge=0, le=1_000_000)
    interval_epochs: int = Field(1, ge=1, le=1_000_000)

    def first_epoch(self, epochs: int) -> int:
        """The first epoch after which a trial is judged."""
        spared = max(1, epochs // _SPARED) if self.warmup_epochs is None else self.warmup_epochs
        return spared + 1


class RankOptions(WarmupOptions):
    """``startup_trials``: no trial is stopped before so many were trained to the end.

    ``min_trials``: nor at an epoch for which fewer of those have a figure.
    """

    startup_trials: int = Field(5, ge=0, le=1_000_000)
    min_trials: int = Field(1, ge=1, le=1_000_000)

    def keywords(self, epochs: int) -> Mapping[str, int]:
        """These options as Optuna's pruners that compare ranks call them, for trainings of so many epochs."""
        return {
            "n_startup_trials": self.startup_trials,
            "n_warmup_steps": self.first_epoch(epochs),
            "interval_steps": self.interval_epochs,
            "n_min_trials": self.min_trials,
        }


class WarmupPruner(Pruner):
    """One that judges no trial before its warm-up is over."""

    options: WarmupOptions

    def first_epoch(self, epochs: int) -> int:
        return self.options.first_epoch(epochs)
