"""The median rule with another share than half."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from kdsearch.pruners.base_warmup import RankOptions, WarmupPruner

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

    from kdsearch.spec.metric import Metric


class Percentile(WarmupPruner):
    """Optuna's PercentilePruner."""

    class Options(RankOptions):
        """Stops a trial whose best so far is not among the best ``percentile`` percent of those trained to the end.

        They are compared at the same epoch. The other options are those of median, which is ``percentile: 50``.
        """

        percentile: float = Field(25.0, ge=0, le=100)

    options: Percentile.Options

    def make(self, epochs: int, metric: Metric) -> BasePruner:  # noqa: ARG002
        from optuna.pruners import PercentilePruner

        return PercentilePruner(self.options.percentile, **self.options.keywords(epochs))
