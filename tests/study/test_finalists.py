"""Rounds of finalists, and winners taken at their score's word."""

from __future__ import annotations

import numpy as np
import pytest

from kdsearch.candidates.space import Candidate
from kdsearch.errors import InfeasibleError, SpecError
from kdsearch.files import read_sealed, save_sealed
from kdsearch.records import Outcome
from kdsearch.spec.study_spec import load_spec
from kdsearch.study.final_trainings import train_here
from kdsearch.study.finalists import choose_winners
from tests.toys import half, toy_study

pytestmark = pytest.mark.timeout(30)  # the first trace of a process takes seconds


def outcome(number: int, gene: Candidate, accuracy: float, macs: float = 1) -> Outcome:
    return Outcome(number, gene, "done", {"accuracy": accuracy}, {"macs": macs})


def refuse(trainings, note) -> None:
    assert not trainings


def reaching(study, tmp_path, accuracies, rounds):
    """Trains every finalist, then gives it the accuracy of its gene; ``rounds`` collects (epochs, genes) of each."""

    def run(trainings, note) -> None:
        rounds.append((trainings[0].epochs, [training.candidate for training in trainings]))
        for training in trainings:
            train_here(study, training)
            path = tmp_path / f"checkpoints/finish/{training.name}.json"
            record = read_sealed(path)
            assert len(record["history"]) == training.epochs
            reached = accuracies[training.candidate][len(rounds) - 1]
            metrics = reached if isinstance(reached, dict) else {"accuracy": reached, "loss": 1 - reached}
            save_sealed(path, record | {"metrics": metrics})

    return run


def test_the_best_score_wins_where_it_is_taken_at_its_word(tmp_path):
    study = toy_study(tmp_path)
    space, rng = study.ctx.space, np.random.default_rng(0)
    genes = [space.sample(rng) for _ in range(3)]
    told = [outcome(at, gene, score) for at, (gene, score) in enumerate(zip(genes, (0.4, 0.8, 0.6), strict=True))]
    assert choose_winners(study, told, refuse) == ([genes[1]], [])


def test_no_scored_candidate_is_an_error(tmp_path):
    with pytest.raises(InfeasibleError, match=r"no candidate .* was scored; raise budget\.trials"):
        choose_winners(toy_study(tmp_path), [], refuse)


def test_of_finalists_the_best_after_a_short_training_wins_and_uniform_is_one(tmp_path):
    study = toy_study(tmp_path, "finish.finalists=2", "finish.finalist_epochs=1")
    uniform, other, third = study.ctx.uniform[0], half(study.ctx.widths), study.ctx.widths.smallest
    told = [outcome(0, third, 0.2), outcome(1, other, 0.9), outcome(2, study.ctx.widths.full, 0.8, macs=1e9)]
    rounds: list = []
    run = reaching(study, tmp_path, {other: [0.3], third: [0.1], uniform: [0.7]}, rounds)
    winners, tried = choose_winners(study, told, run)
    assert winners == [uniform]
    assert [(each.epochs, each.candidate, each.figure) for each in tried] == [
        (1, other, 0.3),
        (1, third, 0.1),
        (1, uniform, 0.7),
    ]
    assert rounds == [(1, [other, third, uniform])]


def test_only_the_best_of_a_round_enter_the_next_longer_one(tmp_path):
    study = toy_study(tmp_path, "finish.finalists=[3, 2]", "finish.finalist_epochs=[1, 2]")
    uniform, other, third = study.ctx.uniform[0], half(study.ctx.widths), study.ctx.widths.smallest
    fourth = Candidate.of({**third.values, next(iter(third.values)): next(iter(other.values.values()))})
    told = [outcome(at, gene, score) for at, (gene, score) in enumerate([(third, 0.2), (other, 0.9), (fourth, 0.5)])]
    reached = {other: [0.6, 0.5], third: [0.9, 0.7], fourth: [0.1, 0.0], uniform: [0.2, 0.3]}
    rounds: list = []
    winners, tried = choose_winners(study, told, reaching(study, tmp_path, reached, rounds))
    assert winners == [third]
    assert [(each.round, each.figure) for each in tried if each.candidate == other] == [(1, 0.6), (2, 0.5)]
    assert rounds == [(1, [other, fourth, third, uniform]), (2, [third, other, uniform])]


def test_near_relatives_of_a_better_score_are_no_finalists(tmp_path):
    space = toy_study(tmp_path).ctx.space
    first, far = half(toy_study(tmp_path).ctx.widths), toy_study(tmp_path).ctx.widths.smallest
    near = space.mutate(first, np.random.default_rng(0), 1e-9)
    gap = space.distance(first, near)
    assert 0 < gap < space.distance(first, far)
    told = [outcome(0, first, 0.9), outcome(1, near, 0.8), outcome(2, far, 0.1)]
    for distance, expected in ((gap, {first, near}), (gap + 1e-6, {first, far})):
        study = toy_study(tmp_path, "finish.finalists=2", f"finish.finalist_distance={distance}")
        rounds: list = []
        everyone = {gene: [0.5] for gene in (first, near, far, study.ctx.uniform[0])}
        choose_winners(study, told, reaching(study, tmp_path, everyone, rounds))
        assert set(rounds[0][1]) == expected | {study.ctx.uniform[0]}


@pytest.mark.parametrize(
    ("sets", "line"),
    [
        (["finish.finalists=[8, 3]"], "finalists and finalist_epochs must name as many rounds (got 2 and 1)"),
        (["finish.finalists=[3, 3]", "finish.finalist_epochs=[1, 2]"], "finalists must fall from round to round"),
        (["finish.finalists=[3, 1]", "finish.finalist_epochs=[1, 2]"], "finalists must end with 2 or more"),
        (["finish.finalists=[]", "finish.finalist_epochs=[]"], "must name as many rounds (got 0 and 0)"),
        (["finish.finalists=[6, 3]", "finish.finalist_epochs=[3, 3]"], "finalist_epochs must rise from round to round"),
        (["finish.finalists=true"], "finish.finalists: must be whole numbers, not true or false"),
        (["finish.finalists=2", "finish.finalist_epochs=[true]"], "must be whole numbers, not true or false"),
    ],
)
def test_rounds_that_do_not_fit_are_refused(sets, line):
    with pytest.raises(SpecError) as refused:
        load_spec("quickstart", sets)
    assert line in str(refused.value)


def test_the_uniform_gene_alone_is_not_trained_for_nothing(tmp_path):
    study = toy_study(tmp_path, "finish.finalists=2", "finish.finalist_epochs=1")
    uniform = study.ctx.uniform[0]
    assert choose_winners(study, [outcome(0, uniform, 0.5)], refuse) == ([uniform], [])


def test_finalists_are_the_best_by_merit_and_not_by_accuracy(tmp_path):
    study = toy_study(tmp_path)
    sure, right = half(study.ctx.widths), study.ctx.widths.smallest
    told = [
        Outcome(at, gene, "done", {"accuracy": accuracy, "score": score}, {"macs": 1})
        for at, (gene, accuracy, score) in enumerate([(right, 0.9, -1.5), (sure, 0.8, -1.2)])
    ]
    assert choose_winners(study, told, refuse)[0] == [sure]


def test_where_every_candidate_failed_the_reason_is_told(tmp_path):
    study = toy_study(tmp_path)
    failed = Outcome(0, study.ctx.uniform[0], "failed", costs={"macs": 1}, traceback="Traceback\nValueError: no luck\n")
    with pytest.raises(InfeasibleError, match="no candidate was scored; the last one failed: ValueError: no luck"):
        choose_winners(study, [failed], refuse)


def test_the_uniform_gene_may_win_in_the_last_round_though_it_was_behind(tmp_path):
    study = toy_study(tmp_path, "finish.finalists=[3, 2]", "finish.finalist_epochs=[1, 2]")
    uniform, other, third = study.ctx.uniform[0], half(study.ctx.widths), study.ctx.widths.smallest
    told = [outcome(0, third, 0.2), outcome(1, other, 0.9)]
    reached = {other: [0.6, 0.5], third: [0.9, 0.7], uniform: [0.2, 0.8]}
    winners, tried = choose_winners(study, told, reaching(study, tmp_path, reached, []))
    assert winners == [uniform]
    assert [each.figure for each in tried if each.candidate == uniform] == [0.2, 0.8]


@pytest.mark.parametrize(("ranked_by", "best"), [("likelihood", "sure"), ("accuracy", "right")])
def test_finalists_are_compared_by_what_candidates_are_ranked_by(tmp_path, ranked_by, best):
    rounds = ("finish.finalists=2", "finish.finalist_epochs=1")
    study = toy_study(tmp_path, *rounds, f"strategy.ranked_by={ranked_by}")
    uniform, genes = study.ctx.uniform[0], {"sure": half(study.ctx.widths), "right": study.ctx.widths.smallest}
    told = [outcome(at, gene, 0.5) for at, gene in enumerate(genes.values())]
    reached = {
        genes["sure"]: [{"accuracy": 0.6, "loss": 1.1}],
        genes["right"]: [{"accuracy": 0.7, "loss": 1.2}],
        uniform: [{"accuracy": 0.5, "loss": 1.3}],
    }
    winners, tried = choose_winners(study, told, reaching(study, tmp_path, reached, []))
    assert winners == [genes[best]]
    scores = {each.candidate: each.score for each in tried}
    assert scores[genes["sure"]] == (-1.1 if ranked_by == "likelihood" else None)
