"""What every pruner offers: one of Optuna's pruners, made for trainings of so many epochs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from kdsearch.spec.sections import Section

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

    from kdsearch.spec.metric import Metric


class Pruner(ABC):
    """Stops trainings of candidates on their way, by the figure on the validation images after each epoch.

    The driver asks it, after every epoch but the last of a trial, and hands it merits: higher is better. Steps are
    epochs, from 1. A plug-in imports optuna inside its methods: reading its ``Options`` must be quick.
    """

    Options: ClassVar[type[Section]] = Section

    def __init__(self, options: Section) -> None:
        self.options = options

    @abstractmethod
    def make(self, epochs: int, metric: Metric) -> BasePruner:
        """Optuna's pruner for trainings of so many epochs, which the task's ``metric`` judges."""

    @abstractmethod
    def first_epoch(self, epochs: int) -> int | None:
        """The first epoch after which it may stop a training of so many; None if it means to stop none."""
