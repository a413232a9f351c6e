"""Patience: a trial is let be for as long as it gets better."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from kdsearch.pruners.base import Pruner
from kdsearch.spec.plugins import PrunerPlugin
from kdsearch.spec.sections import Section

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

    from kdsearch.spec.metric import Metric


class Patient(Pruner):
    """Optuna's PatientPruner."""

    class Options(Section):
        """Stops a trial that has not got better by ``min_delta`` for more than ``patience`` epochs.

        ``wraps``: another pruner, such as {name: median}, that has to agree; null: none has to.
        """

        patience: int = Field(3, ge=0, le=1_000_000)
        min_delta: float = Field(0.0, ge=0, le=1e12)
        wraps: PrunerPlugin | None = None

    options: Patient.Options

    def make(self, epochs: int, metric: Metric) -> BasePruner:
        from optuna.pruners import PatientPruner

        wrapped = self._wrapped()
        inner = None if wrapped is None else wrapped.make(epochs, metric)
        return PatientPruner(inner, self.options.patience, self.options.min_delta)

    def first_epoch(self, epochs: int) -> int | None:
        alone, wrapped = self.options.patience + 2, self._wrapped()
        if wrapped is None:
            return alone
        first = wrapped.first_epoch(epochs)
        return None if first is None else max(alone, first)

    def _wrapped(self) -> Pruner | None:
        plugin = self.options.wraps
        if plugin is None:
            return None
        made: Pruner = plugin.find()(plugin.options)
        return made
