"""What strategies that learn from a teacher do beyond the contract of all strategies."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import ValidationError

from kdsearch.candidates.space import Candidate, Choice, Real
from kdsearch.errors import SpecError, StoreError
from kdsearch.records import Trial
from kdsearch.spec.sections import Augmentation
from kdsearch.strategies.base import Job
from kdsearch.strategies.cckd import CorrelationCongruence
from kdsearch.strategies.kd import KnowledgeDistillation
from tests.toys import toy_context, toy_teaching

pytestmark = [pytest.mark.medium, pytest.mark.timeout(60)]

SHORT = {"epochs": 4, "batch_size": 24, "augment": Augmentation(flip=False)}
SEARCHED = [{"kd": 1.0}, {"cc": {"weight": {"search": "loguniform", "low": 1, "high": 100}}}]


def make(kind=CorrelationCongruence, **options):
    return kind(kind.Options.model_validate(SHORT | options))


def test_a_candidate_of_searched_weights_keeps_the_uniform_widths(tmp_path):
    ctx = toy_context(tmp_path)
    strategy = make(terms=SEARCHED)
    parameters = {parameter.name: parameter for parameter in strategy.parameters(ctx.widths, ctx.uniform)}
    assert parameters.pop("cc.weight") == Real("cc.weight", 1, 100, log=True)
    assert {name: choice.values for name, choice in parameters.items()} == {
        name: (width,) for name, width in ctx.uniform[0].widths.items()
    }


def test_widths_are_searched_beside_weights_only_where_asked(tmp_path):
    ctx = toy_context(tmp_path)
    beside = make(terms=SEARCHED, search_widths=True).parameters(ctx.widths, ctx.uniform)
    assert all(len(parameter.values) > 1 for parameter in beside if isinstance(parameter, Choice))
    assert make().parameters(ctx.widths, ctx.uniform) == ctx.widths.parameters()


def test_a_gene_is_completed_with_where_the_search_starts(tmp_path):
    ctx = toy_context(tmp_path)
    completed = make(terms=SEARCHED).complete(ctx.uniform[0])
    assert completed.reals == {"cc.weight": pytest.approx(10.0)}
    assert completed.widths == ctx.uniform[0].widths
    assert make().complete(ctx.uniform[0]) == ctx.uniform[0]


def test_the_candidates_weight_is_what_trains(tmp_path):
    ctx = toy_context(tmp_path)
    strategy = make(terms=SEARCHED)
    strategy.prepare(ctx)
    start = strategy.complete(ctx.uniform[0])
    other = Candidate.of({**start.values, "cc.weight": 90.0})
    same = make(terms=[{"kd": 1.0}, {"cc": 90.0}])
    same.prepare(ctx)
    losses = [made.train(ctx, gene, Job(0)).history[0]["loss"] for made, gene in ((strategy, other), (same, start))]
    assert losses[0] == losses[1]
    assert strategy.train(ctx, start, Job(0)).history[0]["loss"] != losses[0]


def test_a_searched_learning_rate_is_a_real_parameter_and_the_candidates_is_what_trains(tmp_path):
    ctx = toy_context(tmp_path)
    rate = {"search": "loguniform", "low": 1e-3, "high": 0.1}
    strategy, same = make(learning_rate=rate), make(learning_rate=0.02)
    assert strategy.parameters(ctx.widths, ctx.uniform)[0] == Real("learning_rate", 1e-3, 0.1, log=True)
    start = strategy.complete(ctx.uniform[0])
    assert start.reals == {"learning_rate": pytest.approx(0.01)}
    for made in (strategy, same):
        made.prepare(ctx)
    other = Candidate.of({**start.values, "learning_rate": 0.02})
    losses = [made.train(ctx, gene, Job(0)).history[-1]["loss"] for made, gene in ((strategy, other), (same, start))]
    assert losses[0] == losses[1]
    assert strategy.train(ctx, start, Job(0)).history[-1]["loss"] != losses[0]


@pytest.mark.parametrize(
    "rate", [{"search": "loguniform", "low": 0, "high": 1}, {"search": "uniform", "low": -1, "high": 1}]
)
def test_a_learning_rate_must_stay_above_zero(rate):
    with pytest.raises(ValidationError, match="above 0"):
        make(learning_rate=rate)


def test_a_training_is_stopped_by_its_report_and_scored_as_it_is_then(tmp_path):
    ctx = toy_context(tmp_path)
    strategy = make()
    strategy.prepare(ctx)
    heard = {}

    def report(epoch, value):
        heard[epoch] = value
        return epoch == 2

    stopped = strategy.score(ctx, Trial(5, ctx.uniform[0]), report)
    assert list(heard) == [1, 2]
    assert stopped["accuracy"] == heard[2]


@pytest.mark.parametrize("mode", ["online", "cached"])
def test_each_way_of_asking_teaches(tmp_path, mode):
    ctx = replace(toy_context(tmp_path), teaching=toy_teaching(tmp_path, mode))
    strategy = make(KnowledgeDistillation, epochs=8)
    assert strategy.provision(ctx)["mode"] == mode
    trained = strategy.train(ctx, ctx.uniform[0], Job(0))
    assert ctx.task.evaluate(trained.model, "validation", device=ctx.device)["accuracy"] > 0.6
    assert trained.history[-1]["kd"] < trained.history[0]["kd"]
    assert (tmp_path / "answers").exists() == (mode == "cached")


def test_a_shorter_training_of_the_same_lesson_needs_no_decision_of_its_own(tmp_path):
    """As finalists are trained: by the same options with fewer epochs."""
    ctx = toy_context(tmp_path)
    strategy = make()
    strategy.provision(ctx)
    short = CorrelationCongruence(strategy.options.model_copy(update={"epochs": 1}))
    assert len(short.train(ctx, ctx.uniform[0], Job(0)).history) == 1


def test_another_sampler_is_another_decision(tmp_path):
    ctx = toy_context(tmp_path)
    make(sampler="uniform").provision(ctx)
    clustered = make(sampler={"name": "superclass", "k": 4, "clusters": 3})
    assert clustered.provision(ctx)["mode"] == "cached"


def test_a_trials_metrics_have_the_terms_figures(tmp_path):
    ctx = toy_context(tmp_path)
    strategy = make()
    strategy.prepare(ctx)
    metrics = strategy.score(ctx, Trial(0, ctx.uniform[0]))
    assert {"term_ce", "term_kd_share", "term_cc_weight"} <= metrics.keys()
    assert sum(metrics[f"term_{kind}_share"] for kind in ("ce", "kd", "cc")) == pytest.approx(1)


def test_answers_that_are_stored_are_not_asked_for_again(tmp_path):
    ctx = replace(toy_context(tmp_path), teaching=toy_teaching(tmp_path, "cached"))
    make().provision(ctx)

    def refuse(*_):
        raise AssertionError("the teacher was asked")

    ctx.teaching.teacher.net.register_forward_hook(refuse)
    silent = make()
    silent.provision(ctx)


def test_without_the_drivers_decision_nothing_is_trained(tmp_path):
    ctx = toy_context(tmp_path)
    with pytest.raises(StoreError, match="how the teacher is asked has not been decided"):
        make().train(ctx, ctx.uniform[0], Job(0))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"taps": {"student": {"embedding": "nowhere"}}}, "has no module 'nowhere'"),
        ({"taps": {"teacher": {"embedding": "nowhere"}}}, "has no module 'nowhere'"),
    ],
)
def test_what_does_not_fit_the_nets_is_refused_before_anything_runs(tmp_path, options, said):
    with pytest.raises(SpecError, match=said):
        make(**options).check(toy_context(tmp_path))


def test_a_study_without_a_teacher_is_refused(tmp_path):
    with pytest.raises(SpecError, match="teacher: is missing"):
        make().check(replace(toy_context(tmp_path), teaching=None))


def test_the_papers_preset_is_the_papers():
    options = CorrelationCongruence.Options.model_validate({"preset": "cckd-paper"})
    kd, cc = options.terms
    assert (kd.kind, kd.options.weight, cc.options.weight) == ("kd", 1.0, 0.003)
    assert (cc.options.kernel, cc.options.gamma, cc.options.order, cc.options.heads) == ("rbf_taylor", 0.4, 2, 128)
    assert (options.sampler.name, options.sampler.k) == ("class_balanced", 4)
    assert CorrelationCongruence.Options.model_validate(options.model_dump()) == options
    with pytest.raises(ValueError, match="preset: cckd-paper sets sampler"):
        CorrelationCongruence.Options.model_validate({"preset": "cckd-paper", "sampler": "uniform"})
