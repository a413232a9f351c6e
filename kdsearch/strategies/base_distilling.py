"""What strategies that learn from a teacher have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdsearch.errors import SpecError, StoreError
from kdsearch.progress import Progress, Report, Watch, unwatched
from kdsearch.spec.distill_sections import DistillationOptions
from kdsearch.strategies.base import Job, Strategy, Trained, measure_trained, validate_every

if TYPE_CHECKING:
    from kdsearch.candidates.space import Candidate
    from kdsearch.context import Context
    from kdsearch.records import Trial
    from kdsearch.teaching.lessons import Lesson


class Distilling(Strategy):
    """Trains students by the terms of ``options``; candidates are widths, or the weights of the terms, or both."""

    options: DistillationOptions
    takes_start = True

    def check(self, ctx: Context) -> None:
        from kdsearch.teaching.lessons import check_lesson

        if self.options.asks_teacher and ctx.teaching is None:
            raise SpecError("teacher: is missing; name a card, such as teacher: teachers/resnet20_mnist5k.yaml")
        net = ctx.widths.build(ctx.uniform[0])
        check_lesson(self._lesson(ctx), net)

    def prepare(self, ctx: Context, watch: Watch = unwatched) -> Mapping[str, Any]:
        return {"teacher": self.provision(ctx, watch)}

    def provision(self, ctx: Context, watch: Watch = unwatched) -> Mapping[str, Any]:
        """Decides how the teacher is asked and, where once is enough, asks it; figures about that, kept in the run."""
        from kdsearch.files import read_json, save_json
        from kdsearch.teaching.answer_mode import decide

        if not self.options.asks_teacher:
            return {}
        path = self._record(ctx)
        if not path.exists():
            lesson = self._lesson(ctx)
            net = ctx.widths.build(ctx.uniform[0])
            save_json(path, decide(lesson, net, self.options.epochs * ctx.students_taught))
        made: dict[str, Any] = read_json(path)
        watch(Progress("prepare", 0, 0, f"teacher {made['mode']}: {made['reason']}"))
        if made["mode"] == "cached":
            self._lesson(ctx).open_cache(watch)
        return made

    def stored_answers(self, ctx: Context) -> tuple[Path, ...]:
        if self._mode(ctx) != "cached" or ctx.teaching is None:
            return ()
        return (self._lesson(ctx).cache_key().place(ctx.teaching.folder),)

    def score(self, ctx: Context, trial: Trial, report: Report | None = None) -> dict[str, float]:
        """Figures of the student trained with the candidate's weights and widths.

        ``term_*``: the terms' figures at the end.
        """
        from kdsearch.teaching.distillation import term_figures

        trained = self.train(ctx, trial.candidate, Job(ctx.seed, report=report))
        metrics = measure_trained(ctx, trained)
        last = trained.history[-1]
        return metrics | {f"term_{name}": last[name] for name in term_figures(self.options.terms) if name in last}

    def train(self, ctx: Context, candidate: Candidate, job: Job) -> Trained:
        """The student after the recipe's epochs, without what its terms learned beside it."""
        from kdsearch.teaching.lessons import give_lesson
        from kdsearch.training.loop import Setting

        model = self.begin(ctx, candidate, job)
        lesson = replace(self._lesson(ctx), options=self.options.settled(candidate.values), mode=self._mode(ctx))
        setting = Setting(
            job.seed,
            ctx.device,
            job.checkpoint,
            job.watch,
            note="student",
            evaluate_every_epochs=validate_every(self.options.epochs, job.checkpoint),
            report=job.report,
        )
        return Trained(model, give_lesson(lesson, model, setting))

    def rehearse(self, ctx: Context, steps: int) -> Mapping[str, float]:
        timed = self._forecast(ctx, ctx.uniform[0], steps)
        return {"prepare": timed["before"], "score": timed["epoch"] * self.options.epochs}

    def epoch_seconds(self, ctx: Context, gene: Candidate, steps: int) -> float:
        return self._forecast(ctx, gene, steps)["epoch"]

    def _forecast(self, ctx: Context, gene: Candidate, steps: int) -> dict[str, float]:
        from kdsearch.teaching.answer_mode import forecast

        return forecast(self._lesson(ctx), ctx.widths.build(gene), self.options.epochs * ctx.students_taught, steps)

    def _lesson(self, ctx: Context) -> Lesson:
        from kdsearch.teaching.lessons import Lesson

        return Lesson(ctx.task, ctx.teaching, self.options.settled({}), ctx.device, ctx.seed)

    def _mode(self, ctx: Context) -> str:
        from kdsearch.files import read_json

        if not self.options.asks_teacher:
            return "online"
        path = self._record(ctx)
        if not path.exists():
            raise StoreError(f"{path} is missing: how the teacher is asked has not been decided in this run; resume it")
        return str(read_json(path)["mode"])

    def _record(self, ctx: Context) -> Path:
        """Where the decision of this strategy stands: strategy and finish may differ in what they ask.

        The length of a training is no part of it: finalists are trained for a few epochs of the same lesson.
        """
        options = self.options
        taps = sorted((term.kind, getattr(term.options, "tap", "")) for term in options.terms)
        text = f"{options.taps} {options.augment} {options.sampler} {options.batch_size} {taps}"
        return ctx.paths.prepared / f"teacher-{hashlib.sha256(text.encode()).hexdigest()[:8]}.json"
