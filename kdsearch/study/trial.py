"""What a worker does: it rebuilds the study's context once, then scores trials and trains nets."""

from __future__ import annotations

import atexit
import logging
import math
import platform
import shutil
import tempfile
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kdsearch.errors import DataError, KdsearchError
from kdsearch.memory import keep_freed_memory
from kdsearch.progress import Progress, Show, Watch
from kdsearch.records import (
    SCORE,
    CheckpointAsked,
    CheckpointMade,
    Outcome,
    Reported,
    RunPaths,
    Training,
    TrainingResult,
    Trial,
)
from kdsearch.rundir.pictures import name_trial, showing
from kdsearch.strategies.base import Job
from kdsearch.weights import pack_weights

if TYPE_CHECKING:
    from kdsearch.executors.base import Say
    from kdsearch.study.planning import Study

HAND_BACK_SECONDS = 20.0  # between the checkpoints handed to the driver: what a training loses with its worker

log = logging.getLogger(__name__)

_worker: list[Study] = []  # the one study of this process: rebuilding it for every trial would take seconds


def start_worker(spec_json: str, data_digest: str, places: Mapping[str, Path]) -> None:
    """Plans the study in this process, from what the driver shared alone, and reads what the strategy prepared.

    Raises:
        DataError: this machine has other data than the driver.
    """
    from kdsearch.data.stored_bank import read_bank
    from kdsearch.study.planning import plan
    from kdsearch.study.sharing import moved_context, moved_spec, shared_bank
    from kdsearch.study.synthesising import fill_task

    scratch = Path(tempfile.mkdtemp(prefix="kdsearch-worker-"))
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    study = plan(moved_spec(spec_json, places, scratch), RunPaths(scratch))
    if (bank := shared_bank(places)) is not None:
        study = fill_task(study, read_bank(bank))
    if study.task.digest != data_digest:
        raise DataError(
            f"a worker on {platform.node()} has other data than the driver (digest {study.task.digest[:12]}.., there "
            f"{data_digest[:12]}..); put the same files there"
        )
    study = replace(study, ctx=moved_context(study.ctx, places))
    use(study)
    study.strategy.load(study.ctx)


def use(study: Study) -> None:
    """Makes ``study`` the one that this process works on."""
    keep_freed_memory()
    _worker[:] = [study]


def run_trial(trial: Trial, say: Say | None = None) -> Outcome:
    """The trial's outcome; a candidate whose scoring fails gives a failed outcome with the traceback.

    With ``say`` a training tells the driver each epoch, which answers whether to stop it where a pruner may, and shows
    what there is to see.
    """
    study = _worker[0]
    started = time.monotonic()
    costs, metric = study.ctx.widths.costs(trial.candidate), study.ctx.task.metric
    report = _Reporting(trial.number, say) if say is not None and study.prunes else None
    ctx = study.ctx if say is None else replace(study.ctx, show=showing(say, name_trial(trial.number)))
    try:
        metrics = dict(study.strategy.score(ctx, trial, report))
        _check_metrics(study, metrics)
    except Exception:  # noqa: BLE001 - one bad candidate must not end a search of hours
        failure = traceback.format_exc()
        seconds = time.monotonic() - started
        return Outcome(trial.number, trial.candidate, "failed", {}, costs, seconds, failure, metric=metric)
    curve = () if report is None else tuple(report.curve)
    if report is not None and curve:
        metrics["pruned"] = float(report.stopped)
    return Outcome(
        trial.number,
        trial.candidate,
        "done",
        metrics,
        costs,
        seconds=time.monotonic() - started,
        curve=curve,
        metric=metric,
    )


def _check_metrics(study: Study, metrics: Mapping[str, float]) -> None:
    """Raises where a figure that candidates are compared by is missing, is no number or is told as what it is not."""
    said = study.score_metric
    if (SCORE in metrics) != (said is not None):
        told = "a score, which Options.score_metric does not describe" if said is None else f"no score ({said.words})"
        raise TypeError(f"{type(study.strategy).__name__}.score gives {told}")
    for name in (study.ctx.task.metric.name, *([SCORE] if said is not None else [])):
        if not math.isfinite(metrics[name]):
            raise ValueError(f"the {name} is {metrics[name]}")


@dataclass(slots=True)
class _Reporting:
    """Tells the driver of the epochs of a trial, and keeps what it told."""

    number: int
    say: Say
    curve: list[float] = field(default_factory=list)
    stopped: bool = False

    def __call__(self, epoch: int, value: float) -> bool:
        self.curve.append(value)
        self.stopped = bool(self.say(Reported(self.number, epoch, value)))
        return self.stopped


def run_training(training: Training, say: Say) -> TrainingResult:
    """What came of a training in a worker, which goes on from the driver's checkpoint and hands its own back.

    Raises:
        KdsearchError: the training failed; the message says which net and why.
    """
    with tempfile.TemporaryDirectory(prefix="kdsearch-training-") as folder:
        checkpoint = Path(folder, "checkpoint.pt")
        if (content := say(CheckpointAsked())) is not None:
            checkpoint.write_bytes(content)
        watch, show = _handing_back(checkpoint, say), showing(say, training.name)
        return train_one(_worker[0], training, checkpoint, watch, show)


def train_one(
    study: Study, training: Training, checkpoint: Path, watch: Watch, show: Show | None = None
) -> TrainingResult:
    """What came of a training, which goes on from ``checkpoint`` if that file is there and saves to it.

    Raises:
        KdsearchError: the training failed; the message says which net and why.
    """
    strategy, start, ctx = study.finish, None, replace(study.ctx, show=show)
    if training.epochs is not None:
        strategy = type(strategy)(study.spec.finish.options.shortened(training.epochs))
    if training.start == "inherited":
        start = study.strategy.start(study.ctx, training.candidate)
    try:
        trained = strategy.train(ctx, training.candidate, Job(training.seed, start, checkpoint, watch))
    except (RuntimeError, ValueError) as error:
        log.exception("training %s failed", training.name)
        raise KdsearchError(f"training of {training.name} failed: {error}") from error
    metrics = study.ctx.task.evaluate(trained.model, "validation", device=study.ctx.device)
    weights = pack_weights(trained.model.state_dict())
    return TrainingResult(training.name, training.seed, metrics, tuple(trained.history), weights)


def _handing_back(checkpoint: Path, say: Say) -> Watch:
    """A watch that tells the driver of a checkpoint that was written since the last one it was told of."""
    told = _stamp(checkpoint)
    heard = time.monotonic()

    def watch(progress: Progress) -> None:  # noqa: ARG001
        nonlocal told, heard
        if time.monotonic() - heard >= HAND_BACK_SECONDS and (now := _stamp(checkpoint)) != told:
            say(CheckpointMade(checkpoint.read_bytes()))
            told, heard = now, time.monotonic()

    return watch


def _stamp(path: Path) -> tuple[int, int]:
    """What differs after a file has been replaced."""
    if not path.exists():
        return 0, 0
    about = path.stat()
    return about.st_ino, about.st_mtime_ns
