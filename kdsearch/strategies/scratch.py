"""Training from scratch: what every other way to a student is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from kdsearch.spec.strategy_options import TrainingOptions
from kdsearch.strategies.base import Job, Strategy, Trained, validate_every

if TYPE_CHECKING:
    from kdsearch.candidates.space import Candidate
    from kdsearch.context import Context


class Scratch(Strategy):
    """Builds the compact net, gives it fresh weights and trains it with the recipe."""

    class Options(TrainingOptions):
        """The recipe alone."""

    options: Scratch.Options

    def rehearse(self, ctx: Context, steps: int) -> Mapping[str, float]:
        """A candidate's score is a whole training, timed at the uniform widths of the first budget."""
        from kdsearch.training.rehearsal import training_seconds

        net = ctx.widths.build(ctx.uniform[0])
        epoch = training_seconds(net, ctx.task, self.options, ctx.device, steps)
        return {"prepare": 0.0, "score": epoch * self.options.epochs}

    def train(self, ctx: Context, candidate: Candidate, job: Job) -> Trained:
        """The compact net after the recipe's epochs; weights, order, augmentation and dropout follow from the seed."""
        from kdsearch.training.loop import Setting
        from kdsearch.training.net import train_net

        model = self.begin(ctx, candidate, job)
        setting = Setting(
            seed=job.seed,
            device=ctx.device,
            checkpoint=job.checkpoint,
            watch=job.watch,
            note="student",
            evaluate_every_epochs=validate_every(self.options.epochs, job.checkpoint),
            report=job.report,
        )
        return Trained(model, train_net(model, ctx.task, self.options, setting))
