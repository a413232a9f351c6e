"""A signed-rank test against the best trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from kdsearch.pruners.base import Pruner
from kdsearch.spec.sections import Section

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

    from kdsearch.spec.metric import Metric


class Wilcoxon(Pruner):
    """Optuna's WilcoxonPruner, whose steps are epochs here.

    It was made for one objective on many problems in turn. Figures of neighbouring epochs hang together, so the level
    of its test is not to be taken at its word.
    """

    class Options(Section):
        """Stops a trial that is worse than the best one over the epochs so far, by a signed-rank test.

        ``p_threshold``: the level of the test, lower stops fewer; ``startup_epochs``: none is stopped before.
        """

        p_threshold: float = Field(0.1, ge=0, le=1)
        startup_epochs: int = Field(2, ge=2, le=1_000_000)

    options: Wilcoxon.Options

    def make(self, epochs: int, metric: Metric) -> BasePruner:  # noqa: ARG002
        from optuna.pruners import WilcoxonPruner

        return WilcoxonPruner(p_threshold=self.options.p_threshold, n_startup_steps=self.options.startup_epochs)

    def first_epoch(self, epochs: int) -> int:  # noqa: ARG002
        return self.options.startup_epochs
