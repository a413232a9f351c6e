"""Which candidate of each budget wins: the best score at its word, or the best of some that are trained for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kdsearch.candidates.space import Candidate
from kdsearch.errors import InfeasibleError
from kdsearch.records import Finalist, Outcome, Training
from kdsearch.study.finishing import digest, rank
from kdsearch.study.seeds import finalist_seed
from kdsearch.study.trained import read_record

if TYPE_CHECKING:
    from kdsearch.study.planning import Study

RunTrainings = Callable[[Sequence[Training], str], None]


def choose_winners(
    study: Study, outcomes: Sequence[Outcome], run: RunTrainings
) -> tuple[list[Candidate], list[Finalist]]:
    """The winner of each budget, the best score or the one left after the rounds of ``finish.finalists``; and these.

    A round trains its finalists for its number of epochs, and the best of them on the validation images enter the next
    (successive halving, Jamieson and Talwalkar 2016, with the sizes that the study names), by likelihood where the
    search ranks by it. The uniform gene is in every round beside them: a search that found nothing better says so.

    Raises:
        InfeasibleError: no candidate of a budget was scored.
    """
    spec = study.spec.finish
    rows = [_first_row(study, outcomes, budget) for budget in range(len(study.ctx.budgets))]
    tried: list[Finalist] = []
    sizes = (*spec.finalists[1:], 1)  # how many candidates each round leaves
    for number, ((_, epochs), size) in enumerate(zip(spec.rounds, sizes, strict=False), 1):
        # a row with one candidate left, such as the uniform gene alone, needs no training to be chosen from
        trainings = [[_training(study, each, epochs) for each in row] if len(row) > 1 else [] for row in rows]
        note = "finalists" if len(spec.rounds) == 1 else f"finalists, round {number} of {len(spec.rounds)}:"
        run([training for row in trainings for training in row], note)
        for budget, (row, made) in enumerate(zip(rows, trainings, strict=True)):
            if not made:
                continue
            reached = [
                Finalist(budget, number, epochs, candidate, *_figures(study, training), study.ctx.task.metric)
                for candidate, training in zip(row, made, strict=True)
            ]
            tried += reached
            uniform = study.ctx.uniform[budget]
            best = [each.candidate for each in sorted(reached, key=lambda each: -each.merit)[:size]]  # a stable sort
            rows[budget] = best if size == 1 or uniform in best else [*best, uniform]
    return [row[0] for row in rows], tried


def _first_row(study: Study, outcomes: Sequence[Outcome], budget: int) -> list[Candidate]:
    """The best-scored candidates of a budget, of which none is nearer to a better one than the study allows."""
    spec, ctx = study.spec.finish, study.ctx
    ranked = [outcome.candidate for outcome in rank(outcomes, ctx.budgets[budget])]
    if not ranked and outcomes and outcomes[-1].reason:
        raise InfeasibleError(
            f"no candidate was scored; the last one failed: {outcomes[-1].reason}; mend that and resume"
        )
    if not ranked:
        raise InfeasibleError("no candidate within the limits was scored; raise budget.trials or budget.minutes")
    row: list[Candidate] = []
    for candidate in ranked:
        if len(row) == spec.finalists[0]:
            break
        if all(ctx.space.distance(candidate, chosen) >= spec.finalist_distance for chosen in row):
            row.append(candidate)
    uniform = ctx.uniform[budget]
    return row if not spec.rounds or uniform in row else [*row, uniform]


def _training(study: Study, candidate: Candidate, epochs: int) -> Training:
    seed = finalist_seed(study.spec.seed)
    start = study.spec.start
    return Training(f"{digest(candidate)}-{start}-{epochs}epochs-seed{seed}", candidate, seed, epochs, start)


def _figures(study: Study, training: Training) -> tuple[float, float | None]:
    """The headline figure on the validation images, and what finalists are compared by where that is another figure."""
    metrics = read_record(study, training.name)["metrics"]
    return float(metrics[study.ctx.task.metric.name]), study.strategy.judge_trained(metrics)
