"""The median rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdsearch.pruners.base_warmup import RankOptions, WarmupPruner

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

    from kdsearch.spec.metric import Metric


class Median(WarmupPruner):
    """The rule of Vizier (Golovin et al. 2017) as Optuna has it."""

    class Options(RankOptions):
        """Stops a trial whose best so far is behind the median, at that epoch, of the trials trained to the end.

        ``warmup_epochs``: epochs in which none is stopped, null: a third of them and one at least;
        ``interval_epochs``: then a trial is judged every so many epochs. ``startup_trials``: none is stopped before
        so many were trained to the end; ``min_trials``: nor at an epoch for which fewer of those have a figure.
        """

    options: Median.Options

    def make(self, epochs: int, metric: Metric) -> BasePruner:  # noqa: ARG002
        from optuna.pruners import MedianPruner

        return MedianPruner(**self.options.keywords(epochs))
