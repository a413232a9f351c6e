"""What a worker does: it rebuilds the study's context once, then scores trials and trains nets."""

from __future__ import annotations

import logging
import math
import os
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from kdsearch.errors import KdsearchError
from kdsearch.memory import keep_freed_memory
from kdsearch.progress import Watch, unwatched
from kdsearch.records import Outcome, RunPaths, Training, Trial
from kdsearch.rundir.runlog import log_to

if TYPE_CHECKING:
    from kdsearch.study.planning import Study

log = logging.getLogger(__name__)

_worker: list[Study] = []  # the one study of this process: rebuilding it for every trial would take seconds


def start_worker(spec_json: str, run_dir: str) -> None:
    """Plans the study in this process and reads what the strategy prepared."""
    from kdsearch.spec.study_spec import loads
    from kdsearch.study.planning import plan

    paths = RunPaths(Path(run_dir))
    log_to(paths.logs / f"worker-{os.getpid()}.log")
    study = plan(loads(spec_json), paths)
    use(study)
    study.strategy.load(study.ctx)


def use(study: Study) -> None:
    """Makes ``study`` the one that this process works on."""
    keep_freed_memory()
    _worker[:] = [study]


def run_trial(trial: Trial) -> Outcome:
    """The trial's outcome; a candidate whose scoring fails gives a failed outcome with the traceback."""
    study = _worker[0]
    started = time.monotonic()
    costs = study.ctx.widths.costs(trial.candidate)
    try:
        scored = study.strategy.score_trial(study.ctx, trial)
        metrics = dict(scored.metrics)
        for name in ("accuracy", *metrics.keys() & {"score"}):
            if not math.isfinite(metrics[name]):
                raise ValueError(f"the {name} is {metrics[name]}")
    except Exception:  # noqa: BLE001 - one bad candidate must not end a search of hours
        failure = traceback.format_exc()
        seconds = time.monotonic() - started
        return Outcome(trial.number, trial.candidate, "failed", {}, costs, seconds, failure)
    return Outcome(
        trial.number, trial.candidate, "done", metrics, costs, time.monotonic() - started, curve=scored.curve
    )


def run_training(training: Training, watch: Watch = unwatched) -> Path:
    """The file with the trained weights; a training that is finished already is not repeated.

    Raises:
        KdsearchError: the training failed; the message says which net and why.
    """
    from kdsearch.study.finishing import train_one

    study = _worker[0]
    try:
        return train_one(study, training, watch)
    except (RuntimeError, ValueError) as error:
        log.exception("training %s failed", training.name)
        raise KdsearchError(f"training of {training.name} failed: {error}") from error
