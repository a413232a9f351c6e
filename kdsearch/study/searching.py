"""The search of a study: ask for candidates, have them scored, write the outcomes down, tell the searcher."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kdsearch.costs import HEADLINE
from kdsearch.errors import KdsearchError, SpaceExhausted, StoreError
from kdsearch.progress import Progress, Watch
from kdsearch.records import Outcome, PictureMade, Reported, Trial
from kdsearch.rundir.ledger import Ledger
from kdsearch.rundir.pictures import keep_picture, name_trial, pictures_of
from kdsearch.study.trial import run_trial

if TYPE_CHECKING:
    from kdsearch.executors.base import Executor
    from kdsearch.searchers.base import Searcher
    from kdsearch.study.planning import Study
    from kdsearch.study.pruning import Pruning

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class End:
    """Why a search ended before all its trials: ``stopped`` by a limit, or ``exhausted``, as all there is was tried."""

    stopped: str = ""
    exhausted: str = ""


def search(study: Study, ledger: Ledger, executor: Executor, watch: Watch, *, seconds_before: float) -> End:
    """Scores candidates until the budget is used; says why if it ended earlier.

    What the ledger holds is told to the searcher first, in its order, so that a resumed search asks what the killed
    one would have asked. Missing numbers are asked again. ``seconds_before``: what earlier starts took of
    ``budget.minutes``.

    Raises:
        KdsearchError: more candidates failed than ``budget.max_failures`` allows.
        StoreError: the ledger is of an older kdsearch, or it cannot be written.
    """
    searcher = study.make_searcher()
    told = ledger.outcomes()
    _check_scales(told, study)
    pruning = study.make_pruning()
    for outcome in told:
        searcher.tell(outcome)
        if pruning is not None:
            pruning.tell(outcome)
    best = max(told, key=lambda outcome: outcome.merit, default=None)
    loop = _Loop(study, ledger, executor, searcher, watch, {outcome.number for outcome in told}, best, pruning)
    return loop.run(searcher.total(study.spec.budget.trials), seconds_before)


def _check_scales(told: Sequence[Outcome], study: Study) -> None:
    """Refuses to go on with trials that cannot be compared with new ones, as they are of before there were scores."""
    scored = all("score" in outcome.metrics for outcome in told if outcome.state == "done")
    if study.score_metric is not None and not scored:
        root = study.ctx.paths.root
        raise StoreError(
            f"{root}: its trials were scored by an older kdsearch and cannot be compared with new ones; launch "
            f"{root / 'spec.yaml'} anew"
        )


@dataclass(slots=True)
class _Loop:
    """The ask, run, tell loop of one search; ``failures`` since this start: a cause that was mended is forgiven.

    ``best``: the outcome that ranks first so far.
    """

    study: Study
    ledger: Ledger
    executor: Executor
    searcher: Searcher
    watch: Watch
    known: set[int]
    best: Outcome | None
    pruning: Pruning | None
    pending: dict[Future[Outcome], int] = field(default_factory=dict)
    failures: int = 0

    def run(self, total: int, seconds_before: float) -> End:
        budget = self.study.spec.budget
        started = time.monotonic() - seconds_before
        missing = [number for number in range(total) if number not in self.known]
        exhausted = ""
        while missing or self.pending:
            late = budget.minutes is not None and time.monotonic() - started > 60 * budget.minutes
            if late:
                missing.clear()
            try:
                self._submit(missing)
            except SpaceExhausted as end:
                exhausted = f"{end}; widen limits.window, or lower student.divisor, for more"
                log.warning("%s", exhausted)
                missing.clear()
            if self.pending:
                self._collect(total)
            if self.failures > budget.max_failures:
                raise KdsearchError(self._failure_line(budget.max_failures))
            if late and not self.pending and len(self.known) < total:
                used = f"budget.minutes ({budget.minutes:g}) were used up after {len(self.known)} of {total} trials"
                return End(stopped=used)
        return End(exhausted=exhausted)

    def _submit(self, missing: list[int]) -> None:
        while missing and len(self.pending) < self.executor.capacity and self.searcher.ready(missing[0]):
            number = missing[0]
            trial = Trial(number, self.searcher.ask(number), self.searcher.bar(number))
            missing.pop(0)
            self.pending[self.executor.submit(run_trial, trial, self._hear)] = number

    def _collect(self, total: int) -> None:
        finished, _ = wait(self.pending, return_when=FIRST_COMPLETED)
        for future in sorted(finished, key=self.pending.__getitem__):
            self.pending.pop(future)
            outcome = self._heard(future.result())
            self.ledger.append(outcome, pictures_of(self.study.ctx.paths, name_trial(outcome.number)))
            self._tell(outcome)
            self.known.add(outcome.number)
            self.failures += outcome.state == "failed"
            if self.best is None or outcome.merit > self.best.merit:
                self.best = outcome
            self.watch(Progress("search", len(self.known), total, *self._describe(outcome)))

    def _hear(self, said: Reported | PictureMade) -> bool | None:
        """Whether a trial that reports shall train no further; what it shows is kept."""
        if isinstance(said, PictureMade):
            keep_picture(self.study.ctx.paths, said)
            return None
        return self.pruning is not None and self.pruning.hear(said)

    def _heard(self, outcome: Outcome) -> Outcome:
        """The outcome; one that failed, perhaps with its worker, with what had been heard of it."""
        if outcome.state == "done" or self.pruning is None:
            return outcome
        return replace(outcome, curve=self.pruning.curve(outcome.number))

    def _tell(self, outcome: Outcome) -> None:
        self.searcher.tell(outcome)
        if self.pruning is not None:
            self.pruning.tell(outcome)

    def _describe(self, outcome: Outcome) -> tuple[str, dict[str, float]]:
        """How it was drawn, or why it failed; its figures, and the headline one of the trial that ranks first."""
        done = outcome.state == "done"
        said = outcome.candidate.origin if done else f"failed: {outcome.reason}"
        name = self.study.ctx.task.metric.name
        reached = {name: outcome.figure} if done else {}
        best = {"best": self.best.figure} if self.best and self.best.state == "done" else {}
        return said, {**reached, **best, HEADLINE: float(outcome.costs.get(HEADLINE, 0))}

    def _failure_line(self, allowed: int) -> str:
        failed = [outcome for outcome in self.ledger.outcomes() if outcome.state == "failed"]
        reason = failed[-1].reason if failed else "unknown"
        return f"{self.failures} candidates failed (budget.max_failures is {allowed}); the last: {reason}"
