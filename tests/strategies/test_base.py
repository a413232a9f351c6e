"""What a strategy gets for free: train, then evaluate."""

from __future__ import annotations

import pytest
import torch

from kdsearch.errors import SpecError
from kdsearch.records import Trial
from kdsearch.spec.strategy_options import StrategyOptions
from kdsearch.strategies.base import Strategy, Trained, validate_every
from tests.toys import toy_context

pytestmark = pytest.mark.timeout(30)  # the first trace of a process takes seconds


class Untrained(Strategy):
    """Gives the net's own crop."""

    Options = StrategyOptions

    def train(self, ctx, candidate, job) -> Trained:
        return Trained(ctx.widths.build(candidate), ({"seed": float(job.seed)},))


def test_the_score_is_the_trained_nets_accuracy_on_the_validation_part(tmp_path):
    ctx, strategy = toy_context(tmp_path, trained=True), Untrained(StrategyOptions())
    gene = ctx.uniform[0]
    images = ctx.task.images("validation")
    net = ctx.widths.build(gene).eval()
    with torch.no_grad():
        said = net((images.images_NCHW.float() / 255 - 0.3) / 0.3).argmax(1)
    expected = (said == images.labels_N).double().mean().item()
    assert strategy.score(ctx, Trial(3, gene))["accuracy"] == pytest.approx(expected)


def test_by_default_nothing_is_prepared_and_the_space_is_the_widths(tmp_path):
    ctx, strategy = toy_context(tmp_path), Untrained(StrategyOptions())
    assert strategy.prepare(ctx) == {}
    assert strategy.parameters(ctx.widths, ctx.uniform) == ctx.widths.parameters()
    assert list(tmp_path.iterdir()) == []


def test_a_strategy_that_cannot_forecast_says_so(tmp_path):
    with pytest.raises(SpecError, match="Untrained cannot forecast its time"):
        Untrained(StrategyOptions()).rehearse(toy_context(tmp_path), 1)


@pytest.mark.parametrize(("epochs", "every"), [(1, 1), (9, 1), (10, 1), (29, 2), (300, 30)])
def test_a_history_has_some_ten_points_where_somebody_reads_it(tmp_path, epochs, every):
    assert validate_every(epochs, tmp_path / "net.pt") == every
    assert validate_every(epochs, None) is None
