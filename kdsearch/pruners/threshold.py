"""Bounds that every trial has to keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from kdsearch.pruners.base_warmup import WarmupOptions, WarmupPruner

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

    from kdsearch.spec.metric import Metric


class Threshold(WarmupPruner):
    """Optuna's ThresholdPruner."""

    class Options(WarmupOptions):
        """Stops a trial whose figure on the validation images is below ``lower`` or above ``upper``; one is needed.

        They are in the unit of summaries: an accuracy of 30% is 0.3. ``warmup_epochs``: epochs in which none is
        stopped, null: a third of them and one at least; ``interval_epochs``: then a trial is judged every so many.
        """

        lower: float | None = Field(None, ge=-1e12, le=1e12)
        upper: float | None = Field(None, ge=-1e12, le=1e12)

        @model_validator(mode="after")
        def _bounds_something(self) -> Threshold.Options:
            if self.lower is None and self.upper is None:
                raise ValueError("needs lower or upper, such as lower: 0.3")
            if self.lower is not None and self.upper is not None and self.lower > self.upper:
                raise ValueError(f"lower ({self.lower:g}) is above upper ({self.upper:g}); swap them")
            return self

    options: Threshold.Options

    def make(self, epochs: int, metric: Metric) -> BasePruner:
        from optuna.pruners import ThresholdPruner

        chosen = self.options
        lower, upper = (None if bound is None else metric.merit(bound) for bound in (chosen.lower, chosen.upper))
        if metric.better == "lower":
            lower, upper = upper, lower
        return ThresholdPruner(lower, upper, chosen.first_epoch(epochs), chosen.interval_epochs)
