"""No pruner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdsearch.pruners.base import Pruner
from kdsearch.spec.sections import Section

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

    from kdsearch.spec.metric import Metric


class Nop(Pruner):
    """Optuna's NopPruner."""

    class Options(Section):
        """Stops none: every candidate is trained to the end."""

    def make(self, epochs: int, metric: Metric) -> BasePruner:  # noqa: ARG002
        from optuna.pruners import NopPruner

        return NopPruner()

    def first_epoch(self, epochs: int) -> None:  # noqa: ARG002
        return None
