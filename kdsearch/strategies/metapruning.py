"""MetaPruning: one PruningNet writes the weights of every pruned net, so that a gene is scored without training it.

Liu et al. 2019 with what came after it: cropped updates, budget-bound draws, in-place distillation, a pretrained
start with sorted channels, exact batch-norm recalibration, and a check of whether the scores can be believed.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator, model_validator

from kdsearch.costs import HEADLINE
from kdsearch.errors import SpecError, StoreError
from kdsearch.progress import Progress, Report, Watch, unwatched
from kdsearch.records import Outcome, Trial
from kdsearch.spec.metric import ACCURACY, LIKELIHOOD, Metric
from kdsearch.spec.sections import RankedBy
from kdsearch.spec.strategy_options import TrainingOptions
from kdsearch.strategies.base import Job, Strategy, Trained

if TYPE_CHECKING:
    from torch import Tensor, nn

    from kdsearch.candidates.space import Candidate
    from kdsearch.context import Context
    from kdsearch.pruningnet.generators import Generator
    from kdsearch.pruningnet.supernet import Supernet
    from kdsearch.spec.study_spec import StudySpec


_IMPORTANCE_BATCHES = 8
_CALIBRATION_BATCH = 128  # larger batches would cost memory and bring nothing


class MetaPruning(Strategy):
    """Trains a PruningNet, scores genes under the weights that it generates, trains winners from those weights."""

    class Options(TrainingOptions):
        """The recipe trains the PruningNet (``finish: {name: metapruning}``: the inherited student).

        ``generator``: how much the gene shapes the weights; ``hidden`` and ``rank`` are its
        sizes. ``sampling``: one gene a step, or the sandwich rule (largest, smallest, ``random_genes`` random) with
        in-place distillation.
        ``draws``: genes at the budgets of the study, or uniform over all scales as in the paper (a width that several
        scales come to is as many times as likely). ``init``: from
        scratch, or from the full net, trained ``pretrain_epochs`` first unless ``student.weights`` is given, with its
        channels sorted by importance. ``calibration_images``: for batch norm. ``ranked_by``: what candidates and
        finalists are compared by, the task's metric as in the paper, or the likelihood of the validation labels, which
        is less noisy.
        ``racing``: stop scoring a candidate that cannot reach the best any more. ``check_genes``: random genes scored
        to tell whether scores differ.
        """

        # fmt: off
        for_search = frozenset({
            "generator", "hidden", "rank", "sampling", "random_genes", "draws", "init", "pretrain_epochs", "racing",
            "check_genes", "ranked_by",
        })
        # fmt: on

        generator: Literal["slim", "condnorm", "condscale", "lowrank", "paper"] = "slim"
        hidden: int | None = Field(None, ge=1, le=1024)
        rank: int = Field(2, ge=1, le=64)
        sampling: Literal["single", "sandwich"] = "single"
        random_genes: int = Field(2, ge=0, le=16)
        draws: Literal["budget", "uniform"] = "budget"
        init: Literal["scratch", "pretrained"] = "pretrained"
        pretrain_epochs: int = Field(8, ge=1, le=1_000_000)
        calibration_images: int = Field(512, ge=2, le=1_000_000)
        ranked_by: RankedBy = "likelihood"
        racing: bool = False
        check_genes: int = Field(12, ge=0, le=100_000)

        @field_validator("ranked_by", mode="before")
        @classmethod
        def _reads_older_studies(cls, given: Any) -> Any:
            """The metric by the name that it had when there was no other task."""
            return "metric" if given == ACCURACY.name else given

        @model_validator(mode="after")
        def _calibrates_in_batches(self) -> MetaPruning.Options:
            batch = min(self.batch_size, _CALIBRATION_BATCH)
            if self.calibration_images < batch:
                raise ValueError(
                    f"calibration_images ({self.calibration_images}) must be at least a batch of calibration ({batch})"
                )
            return self

        def idle(self) -> Mapping[str, str]:
            found = dict(super().idle())
            if self.generator == "slim":
                found["hidden"] = "generator: slim has no hidden layer"
            if self.generator != "lowrank":
                found["rank"] = f"generator: {self.generator} has none, generator: lowrank has"
            if self.sampling == "single":
                found["random_genes"] = "sampling: single draws one gene a step, sampling: sandwich so many"
            if self.init == "scratch":
                found["pretrain_epochs"] = "init: scratch pretrains nothing"
            return found

        def idle_beside(self, study: StudySpec) -> Mapping[str, str]:
            if study.student.trained:
                return {"pretrain_epochs": "student.trained says that the net is trained already"}
            return {}

        @property
        def trains_candidates(self) -> bool:
            return False

        @property
        def score_metric(self) -> Metric | None:
            return LIKELIHOOD if self.ranked_by == "likelihood" else None

    options: MetaPruning.Options
    gives_start = takes_start = True

    def __init__(self, options: MetaPruning.Options) -> None:
        super().__init__(options)
        self._generator: Generator | None = None
        self._calibration: list[Tensor] = []

    def check_search(self) -> None:
        if self.options.optimizer != "sgd":
            raise SpecError(f"strategy.optimizer: a PruningNet must be trained by sgd (got {self.options.optimizer})")

    def prepare(self, ctx: Context, watch: Watch = unwatched) -> Mapping[str, Any]:
        from kdsearch.pruningnet.storing import save_generator
        from kdsearch.pruningnet.supernet import train_supernet
        from kdsearch.tracing.copying import copy_net
        from kdsearch.training.loop import Setting

        figures: dict[str, Any] = {}
        start = ctx.net
        if self.options.init == "pretrained":
            # a copy: a resumed run has ctx.net untrained, and students must start from the same in both
            start = copy_net(ctx.net)
            figures["pretrained"] = self._pretrain(ctx, start, watch)
        generator = _make_generator(self.options, ctx, start)
        supernet = self._supernet(ctx, generator)
        figures["history"] = train_supernet(
            supernet,
            ctx.task,
            self.options,
            lambda rng: self._draw(ctx, rng),
            Setting(ctx.seed, ctx.device, ctx.paths.checkpoints / "pruningnet.pt", watch),
        )
        options = self.options
        save_generator(ctx.paths.prepared, generator, options.generator, hidden=options.hidden, rank=options.rank)
        self.load(ctx)
        return figures | {"check": self._check(ctx, watch)}

    def load(self, ctx: Context) -> None:
        from kdsearch.pruningnet.storing import load_generator

        self._generator = load_generator(ctx.paths.prepared, ctx.net, ctx.widths)
        self._calibration = self._calibration_batches(ctx)

    def score(self, ctx: Context, trial: Trial, report: Report | None = None) -> dict[str, float]:  # noqa: ARG002
        from kdsearch.pruningnet.scoring import score_net

        bar = trial.bar if self.options.racing else None
        tensors = self._tensors(ctx, trial.candidate)
        with ctx.widths.applied(trial.candidate, tensors):
            statistics = ctx.task.mean, ctx.task.std
            images = ctx.task.images("validation")
            return score_net(ctx.net, images, statistics, ctx.task, by=self.options.ranked_by, bar=bar)

    def judge_scores(
        self, prepared: Mapping[str, Any], trained: Sequence[float | None], metric: Metric
    ) -> Mapping[str, Any]:
        from kdsearch.pruningnet.judging import judge_proxy

        return judge_proxy(prepared.get("check"), trained, metric)

    def judge_trained(self, metrics: Mapping[str, float]) -> float | None:
        """Minus the loss where likelihood ranks, as in scores under generated weights; None where the metric does."""
        return None if self.options.score_metric is None else -float(metrics["loss"])

    def start(self, ctx: Context, candidate: Candidate) -> nn.Module:
        from kdsearch.pruningnet.scoring import fill

        if self._generator is None:
            self.load(ctx)
        model = ctx.widths.build(candidate)
        fill(model, self._tensors(ctx, candidate))
        return model

    def train(self, ctx: Context, candidate: Candidate, job: Job) -> Trained:
        from kdsearch.training.loop import Setting
        from kdsearch.training.net import train_net

        model = self.begin(ctx, candidate, job)
        setting = Setting(job.seed, ctx.device, job.checkpoint, job.watch, report=job.report)
        return Trained(model, train_net(model, ctx.task, self.options, setting))

    def rehearse(self, ctx: Context, steps: int) -> Mapping[str, float]:
        from kdsearch.pruningnet.supernet import supernet_seconds
        from kdsearch.training.rehearsal import image_seconds, training_seconds

        options = self.options
        supernet = self._supernet(ctx, _make_generator(options, ctx, ctx.net))
        epoch = supernet_seconds(supernet, ctx.task, options, lambda rng: self._draw(ctx, rng), steps)
        prepare = epoch * options.epochs
        if options.init == "pretrained" and not ctx.trained:
            full = ctx.widths.build(ctx.widths.full)
            prepare += training_seconds(full, ctx.task, options, ctx.device, steps) * options.pretrain_epochs
        images = options.calibration_images + len(ctx.task.images("validation"))
        score = images * image_seconds(ctx.widths.build(ctx.uniform[0]).eval(), ctx.task, ctx.device, steps)
        return {"prepare": prepare + score * (options.check_genes + 1) * len(ctx.budgets), "score": score}

    def _supernet(self, ctx: Context, generator: Generator) -> Supernet:
        from kdsearch.pruningnet.supernet import Supernet

        distill = self.options.sampling == "sandwich"
        precision, task = self.options.precision, ctx.task
        return Supernet(ctx.net, ctx.widths, generator, distill, precision, task.loss, task.imitation_loss)

    def _pretrain(self, ctx: Context, net: nn.Module, watch: Watch) -> dict[str, float]:
        """Trains the full ``net`` in place, if no checkpoint was named, and sorts its channels."""
        from kdsearch.pruningnet.pretraining import pretrain, sort_channels
        from kdsearch.training.loop import Setting

        figures = {}
        if not ctx.trained:
            recipe = self.options.model_copy(update={"epochs": self.options.pretrain_epochs})
            checkpoint = ctx.paths.checkpoints / "pretrained.pt"
            setting = Setting(ctx.seed, ctx.device, checkpoint, watch, "prepare", "full net")
            figures = pretrain(net, ctx.task, recipe, setting)
        batches = ctx.task.train_batches(self.options, seed=ctx.seed, device=ctx.device)
        shown = itertools.islice(batches.epoch(0), _IMPORTANCE_BATCHES)
        sort_channels(net, ctx.widths, shown, seed=ctx.seed, loss=ctx.task.loss)
        return figures

    def _draw(self, ctx: Context, rng: Any) -> Sequence[Candidate]:
        def one() -> Candidate:
            if self.options.draws == "uniform":
                return ctx.widths.draw_scales(rng)
            return ctx.draw(int(rng.integers(len(ctx.budgets))), rng)

        if self.options.sampling == "single":
            return [one()]
        smallest = ctx.widths.smallest if self.options.draws == "uniform" else _cheapest(ctx)
        return [ctx.widths.full, smallest, *(one() for _ in range(self.options.random_genes))]

    def _tensors(self, ctx: Context, gene: Candidate) -> dict[str, Tensor]:
        from kdsearch.pruningnet.scoring import calibrated_tensors

        if self._generator is None:
            raise StoreError("the PruningNet has not been loaded; resume the run")
        weights = self._generator.weights(gene)
        return calibrated_tensors(ctx.net, ctx.widths, gene, weights, self._calibration)

    def _calibration_batches(self, ctx: Context) -> list[Tensor]:
        """All calibration images in even batches: a norm deep in the net reads what its own batch was normalised by."""
        images = ctx.task.calibration(self.options.calibration_images, seed=ctx.seed, device=ctx.device)
        size = max(2, min(self.options.batch_size, _CALIBRATION_BATCH))
        return list(images.tensor_split(max(1, len(images) // size)))

    def _check(self, ctx: Context, watch: Watch) -> dict[str, Any]:
        """Scores of the uniform gene and of random genes at each budget: do they differ by more than their error?"""
        import numpy as np

        rng = np.random.default_rng((ctx.seed, 11))
        checked = []
        for budget, uniform in enumerate(ctx.uniform):
            scores = []
            for number in range(self.options.check_genes):
                gene = ctx.draw(budget, rng)
                scores.append(Outcome(-1, gene, "done", self.score(ctx, Trial(-1, gene)), metric=ctx.task.metric))
                watch(Progress("prepare", number + 1, self.options.check_genes, "spread of scores"))
            own = Outcome(-1, uniform, "done", self.score(ctx, Trial(-1, uniform)), metric=ctx.task.metric)
            checked.append(
                {
                    f"uniform_{own.metric.name}": own.figure,
                    "uniform_score": own.merit,
                    "random_scores": [score.merit for score in scores],
                    "stderr": own.merit_stderr,
                    "ranked_by": self.options.ranked_by,
                }
            )
        return {"budgets": checked}


def _make_generator(options: MetaPruning.Options, ctx: Context, start: nn.Module) -> Generator:
    from kdsearch.pruningnet.making import make_generator

    return make_generator(options.generator, start, ctx.widths, hidden=options.hidden, rank=options.rank)


def _cheapest(ctx: Context) -> Candidate:
    """The uniform gene of the tightest budget, which need not be the last that the study names."""
    return min(ctx.uniform, key=lambda gene: ctx.widths.costs(gene)[HEADLINE])
