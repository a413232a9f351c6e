"""Data-free learning: the student learns from its teacher alone, on images that generators make beside it.

DAFL (Chen et al. 2019) with what came after it: a bank of the images that were made, many student steps for each step
of a generator, statistics of batch norms, and a student that is selected on images that nobody trains on.
"""

from __future__ import annotations

import copy
import hashlib
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdsearch.errors import SpecError, StoreError
from kdsearch.progress import Progress, Report, Watch, unwatched
from kdsearch.records import SCORE
from kdsearch.spec.datafree_sections import DataFreeOptions
from kdsearch.spec.fit import say_closed
from kdsearch.strategies.base import Job, Strategy, Trained

_log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from torch import nn

    from kdsearch.candidates.space import Candidate
    from kdsearch.context import Context
    from kdsearch.datafree.learner import DataFreeLearner
    from kdsearch.datafree.starts import StartsLearner
    from kdsearch.records import Trial
    from kdsearch.teaching.teachers import Teacher


class DataFree(Strategy):
    """Trains students without a single image of the task; its data are read where nets are measured, and there only."""

    class Options(DataFreeOptions):
        """``preset: fast`` needs minutes on a CPU, ``preset: dafl-paper`` is the authors' recipe and needs hours."""

    options: DataFree.Options
    takes_start = True

    def check(self, ctx: Context) -> None:
        if ctx.teaching is None:
            raise SpecError("teacher: is missing; name a card, such as teacher: teachers/lenet5_mnist5k.yaml")
        teacher, inside = ctx.teaching.teacher, self.options.inside_teacher
        if inside and teacher.gives != "everything":
            raise SpecError(f"teacher: {say_closed(inside, teacher.name)}")
        if teacher.gives == "logits" and self.options.descends_teacher:
            raise SpecError(
                f"teacher: {teacher.name} gives no gradients, which data-free learning needs; name another, or say "
                "synthesis.through: student"
            )
        if teacher.gives == "everything" and self.options.synthesis.queries is not None:
            raise SpecError("synthesis.queries: counts what a teacher is asked that is a file; leave it out")
        if not self.options.descends_teacher:
            _log.warning("synthesis.through: %s is experimental", self.options.synthesis.through)

    def prepare(self, ctx: Context, watch: Watch = unwatched) -> Mapping[str, Any]:
        return {"teacher": self.provision(ctx, watch)}

    def provision(self, ctx: Context, watch: Watch = unwatched) -> Mapping[str, Any]:
        """Decides how many steps the student takes for one of a generator, once, so that every process agrees."""
        from kdsearch.datafree.pace import find_pace
        from kdsearch.files import read_json, save_json

        path = self._record(ctx)
        if not path.exists():
            net = ctx.widths.build(ctx.uniform[0])
            options = self.options.settled({})
            pace = find_pace(_teacher(ctx), net, ctx.task.image_shape, options, _statistics(ctx))
            through = options.synthesis.through
            way = "" if through == "teacher" else f"experimental: through {through}; "
            save_json(path, {"mode": "online", **pace, "reason": f"{way}{pace['reason']}"})
        made: dict[str, Any] = read_json(path)
        watch(Progress("prepare", 0, 0, made["reason"]))
        return made

    def score(self, ctx: Context, trial: Trial, report: Report | None = None) -> dict[str, float]:
        """Figures of the student trained with the candidate's amounts and widths; ``probe_kl``: on its own probe.

        In a study without data the validation part is made up, too, and the likelihood of the teacher's answers there
        orders candidates as their divergence from the teacher does.
        """
        trained = self.train(ctx, trial.candidate, Job(ctx.seed, report=report))
        metrics = ctx.task.evaluate(trained.model, "validation", device=ctx.device)
        metrics["probe_kl"] = min(record["probe_kl"] for record in trained.history if "probe_kl" in record)
        return metrics if self.options.score_metric is None else metrics | {SCORE: -metrics["loss"]}

    def judge_trained(self, metrics: Mapping[str, float]) -> float | None:
        """Minus the loss where likelihood ranks, as in ``score``; None where the task's metric does."""
        return None if self.options.score_metric is None else -float(metrics["loss"])

    def train(self, ctx: Context, candidate: Candidate, job: Job) -> Trained:
        """The student with the weights of its best evaluation on the probe, which nobody trains on."""
        from kdsearch.datafree.guard import guarding
        from kdsearch.training.loop import Setting, fit

        learner = self._begin_starts(ctx, candidate, job)
        setting = Setting(
            job.seed, ctx.device, job.checkpoint, job.watch, note="student", report=job.report, show=ctx.show
        )
        with guarding(ctx.data_roots):
            history = fit(learner, setting)
        learner.select()
        return Trained(learner.student, history)

    def rehearse(self, ctx: Context, steps: int) -> Mapping[str, float]:
        epoch = self.epoch_seconds(ctx, ctx.uniform[0], steps)
        return {"prepare": 0.0, "score": epoch * self.options.epochs}

    def epoch_seconds(self, ctx: Context, gene: Candidate, steps: int) -> float:
        from kdsearch.datafree.pace import find_pace, round_seconds
        from kdsearch.datafree.starts import mean_starts

        options, net = self.options.settled({}), ctx.widths.build(gene)
        shape, statistics = ctx.task.image_shape, _statistics(ctx)
        pace = find_pace(_teacher(ctx), net, shape, options, statistics)["student_steps"]
        paced = options.model_copy(update={"student_steps": pace})
        seconds = round_seconds(_teacher(ctx), net, shape, paced, statistics, steps)
        return mean_starts(options.starts) * options.rounds * seconds

    def _begin_starts(self, ctx: Context, candidate: Candidate, job: Job) -> DataFreeLearner | StartsLearner:
        """What is to be trained: one start, or several side by side."""
        from kdsearch.data.seeds import mix_seed
        from kdsearch.datafree.starts import StartsLearner

        options = self.options.settled(candidate.values)
        starts = []
        for at in range(options.starts):
            seed, start = (mix_seed(job.seed, at), copy.deepcopy(job.start)) if at else (job.seed, job.start)
            net = self.begin(ctx, candidate, replace(job, seed=seed, start=start))
            starts.append(self._learner(ctx, net, options, seed))
        return starts[0] if len(starts) == 1 else StartsLearner(starts)

    def _learner(self, ctx: Context, net: nn.Module, options: DataFreeOptions, seed: int) -> DataFreeLearner:
        from kdsearch.datafree.learner import DataFreeLearner

        if options.student_steps == "auto":
            options = options.model_copy(update={"student_steps": self._pace(ctx)})
        shape = ctx.task.image_shape
        return DataFreeLearner(_teacher(ctx), net, shape, options, statistics=_statistics(ctx), seed=seed)

    def _pace(self, ctx: Context) -> int:
        from kdsearch.files import read_json

        path = self._record(ctx)
        if not path.exists():
            raise StoreError(f"{path} is missing: how often a student learns has not been decided; resume the run")
        return int(read_json(path)["student_steps"])

    def _record(self, ctx: Context) -> Path:
        """Where the decision stands: strategy and finish may differ in what their steps cost."""
        options = self.options.settled({})
        text = f"{options.synthesis} {options.batch_size} {options.augment} {options.student_steps}"
        return ctx.paths.prepared / f"student_steps-{hashlib.sha256(text.encode()).hexdigest()[:8]}.json"


def _teacher(ctx: Context) -> Teacher:
    assert ctx.teaching is not None
    return ctx.teaching.teacher


def _statistics(ctx: Context) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """By what a student's images are normalised, as everything that reads them later will do."""
    return tuple(ctx.task.mean), tuple(ctx.task.std)
