"""What a worker does with one trial and one training."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kdsearch.errors import KdsearchError
from kdsearch.progress import unwatched
from kdsearch.records import Training, Trial
from kdsearch.spec.metric import LIKELIHOOD
from kdsearch.spec.strategy_options import StrategyOptions
from kdsearch.strategies.base import Strategy, Trained
from kdsearch.study.trial import run_trial, train_one, use
from tests.toys import half, toy_study

pytestmark = pytest.mark.timeout(30)  # the first trace of a process takes seconds


class Scored(StrategyOptions):
    """Says that there is a score."""

    @property
    def score_metric(self):
        return LIKELIHOOD


SCORED = Scored()


class Fixed(Strategy):
    """Answers what it was given."""

    def __init__(self, answer, scores=None) -> None:
        super().__init__(SCORED if scores else StrategyOptions())
        self.answer = answer

    def score(self, ctx, trial, report=None) -> dict[str, float]:  # noqa: ARG002
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer if isinstance(self.answer, dict) else {"accuracy": self.answer}

    def train(self, ctx, candidate, job) -> Trained:  # noqa: ARG002
        raise self.answer


@pytest.fixture
def outcome_of(tmp_path):
    def run(answer, scores=False):
        strategy, toy = Fixed(answer, scores), toy_study(tmp_path)
        asked = toy.spec.strategy.model_copy(update={"options": strategy.options})
        spec = toy.spec.model_copy(update={"strategy": asked})
        study = replace(toy, spec=spec, strategy=strategy, finish=Fixed(answer))
        use(study)
        return study, run_trial(Trial(4, half(study.ctx.widths)))

    return run


def test_an_outcome_has_metrics_and_costs(outcome_of):
    study, outcome = outcome_of(0.5)
    assert (outcome.number, outcome.state, outcome.metrics) == (4, "done", {"accuracy": 0.5})
    assert outcome.costs == study.ctx.widths.costs(outcome.candidate)
    assert 0 <= outcome.seconds < 5


@pytest.mark.parametrize(
    ("answer", "scores", "words"),
    [
        (ZeroDivisionError("by zero"), False, "ZeroDivisionError: by zero"),
        (float("nan"), False, "the accuracy is nan"),
        ({"accuracy": 0.5, "score": float("-inf")}, True, "the score is -inf"),
        ({"score": -1.0}, True, "KeyError: 'accuracy'"),
        (
            {"accuracy": 0.5, "score": 1.0},
            False,
            "Fixed.score gives a score, which Options.score_metric does not describe",
        ),
        (0.5, True, "Fixed.score gives no score (log-likelihood of the labels)"),
    ],
)
def test_a_failure_is_an_outcome_with_a_traceback(outcome_of, answer, scores, words):
    _, outcome = outcome_of(answer, scores)
    assert (outcome.state, outcome.metrics) == ("failed", {})
    assert outcome.traceback.strip().splitlines()[-1].endswith(words)
    assert outcome.costs["macs"] > 0


def test_an_interrupt_is_not_a_failure(tmp_path):
    class Interrupted(Fixed):
        def score(self, ctx, trial, report=None) -> dict[str, float]:  # noqa: ARG002
            raise KeyboardInterrupt

    study = replace(toy_study(tmp_path), strategy=Interrupted(None))
    use(study)
    with pytest.raises(KeyboardInterrupt):
        run_trial(Trial(0, half(study.ctx.widths)))


def test_a_training_that_fails_is_named(outcome_of, tmp_path):
    study, _ = outcome_of(RuntimeError("out of memory"))
    with pytest.raises(KdsearchError, match="training of net-seed0 failed: out of memory"):
        train_one(study, Training("net-seed0", half(study.ctx.widths), 0), tmp_path / "net.pt", unwatched)
