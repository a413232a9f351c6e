"""What becomes of an item whose worker is lost or does not answer; the same for every executor."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from kdsearch.errors import KdsearchError
from kdsearch.records import Outcome, Trial

ATTEMPTS = 3
WORKERS_LOG = "kdsearch-workers"
"""The logger, apart from kdsearch's own, to which an executor hands what its workers log: it goes to a file alone."""

_log = logging.getLogger(__name__)


class WorkerLost(Exception):  # noqa: N818  (what happened to the worker, not a mistake of the user)
    """The worker is gone before it answered: killed, out of memory, its machine down."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How often and for how long an item is tried.

    Candidates and trainings are functions of their seeds, so what a lost worker was at is done again on another one,
    ``ATTEMPTS`` times in all. Then a trial has failed, which the search counts, and a training ends the run, which
    can be resumed. A trial that takes longer than ``timeout_minutes`` has failed at once: it would again. Trainings
    at the end have no limit. What a function itself raises is its result and is never tried again.
    """

    timeout_minutes: float | None = None

    def limit_s(self, item: Any) -> float | None:
        """Seconds that one attempt at the item may take, from when its worker is ready; None: as long as it wants."""
        if self.timeout_minutes is None or not isinstance(item, Trial):
            return None
        return 60 * self.timeout_minutes

    def after_loss(self, item: Any, attempt: int, loss: WorkerLost) -> Outcome | None:
        """The trial's outcome, once it has been tried often enough; None: try the item again on another worker.

        Raises:
            KdsearchError: it is no trial, and has been tried often enough.
        """
        _log.warning("%s (attempt %d of %d)", loss, attempt, ATTEMPTS)
        if attempt < ATTEMPTS:
            return None
        reason = f"{loss} {ATTEMPTS} times at this; was it short of memory?"
        if isinstance(item, Trial):
            return Outcome(item.number, item.candidate, "failed", traceback=reason)
        raise KdsearchError(reason)

    def after_timeout(self, trial: Trial) -> Outcome:
        """The outcome of a trial whose worker was ended because it took too long."""
        reason = f"took longer than executor.timeout_minutes ({self.timeout_minutes:g}); its worker was ended"
        _log.warning("a trial %s", reason)
        seconds = self.limit_s(trial) or 0.0
        return Outcome(trial.number, trial.candidate, "failed", seconds=seconds, traceback=f"the trial {reason}")
