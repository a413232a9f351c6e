"""Which trainings of candidates are stopped on their way: the driver hears their figures and asks the pruner."""

from __future__ import annotations

import threading
import warnings
from collections import defaultdict
from typing import TYPE_CHECKING

from kdsearch.records import Outcome, Reported

if TYPE_CHECKING:
    import optuna

    from kdsearch.pruners.base import Pruner
    from kdsearch.spec.metric import Metric


class Pruning:
    """Asks Optuna's pruner after each epoch of each trial, on a study in memory for each budget.

    What it decides depends on what it heard and was told, in that order. A trial that another start of the search
    had is told with its curve, and is judged by it once more, so that a search that goes on decides as if it had not
    stopped. ``epochs``: of a whole training; trial n belongs to budget n modulo ``budgets``.
    """

    def __init__(self, pruner: Pruner, metric: Metric, *, epochs: int, budgets: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._metric, self._epochs, self._budgets = metric, epochs, budgets
        with warnings.catch_warnings():
            # PatientPruner and WilcoxonPruner call themselves experimental each time they are made
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            pruners = [pruner.make(epochs, metric) for _ in range(budgets)]
        self._studies = [
            optuna.create_study(
                direction="maximize",
                study_name=f"budget {at}",  # Hyperband chooses a trial's bracket by the study's name
                pruner=made,
                sampler=optuna.samplers.RandomSampler(0),
            )
            for at, made in enumerate(pruners)
        ]
        self._trials: list[list[optuna.Trial]] = [[] for _ in range(budgets)]
        self._curves: dict[int, list[float]] = defaultdict(list)
        self._answers: dict[tuple[int, int], bool] = {}
        self._turn = threading.Lock()  # executors call from any of their threads

    def hear(self, said: Reported) -> bool:
        """Whether the trial shall train no further; what is asked again, by an item tried again, is answered alike."""
        with self._turn:
            return self._judge(said.number, said.epoch, said.value)

    def curve(self, number: int) -> tuple[float, ...]:
        """What a trial reported so far."""
        with self._turn:
            return tuple(self._curves[number])

    def tell(self, outcome: Outcome) -> None:
        """Takes in what came of a trial, and of its curve what was not heard."""
        from optuna.trial import TrialState

        with self._turn:
            for epoch, value in enumerate(outcome.curve, start=1):
                self._judge(outcome.number, epoch, value)
            study, trial = self._studies[outcome.number % self._budgets], self._trial(outcome.number)
            if outcome.state == "failed":
                study.tell(trial, state=TrialState.FAIL)
            elif outcome.metrics.get("pruned"):
                study.tell(trial, state=TrialState.PRUNED)
            else:
                study.tell(trial, self._metric.merit(outcome.figure))

    def _judge(self, number: int, epoch: int, value: float) -> bool:
        if (number, epoch) not in self._answers:
            trial = self._trial(number)
            trial.report(self._metric.merit(value), epoch)
            self._curves[number].append(value)
            # after the last epoch there is nothing left to stop
            self._answers[number, epoch] = epoch < self._epochs and bool(trial.should_prune())
        return self._answers[number, epoch]

    def _trial(self, number: int) -> optuna.Trial:
        """The trial in its budget's study, where it has the number that it would have if there were no other budget."""
        place, at = divmod(number, self._budgets)
        trials = self._trials[at]
        while len(trials) <= place:
            trials.append(self._studies[at].ask())
        return trials[place]
