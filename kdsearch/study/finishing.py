"""The end of a study: winners and controls are trained with one recipe, and only then meet the test images."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kdsearch.candidates.space import Candidate, Window
from kdsearch.records import Outcome, Role, Student, Training
from kdsearch.spec.strategy_options import Start
from kdsearch.study.compressing import final_costs, final_net, validated
from kdsearch.study.seeds import student_seeds
from kdsearch.study.trained import read_record

if TYPE_CHECKING:
    from torch import nn

    from kdsearch.study.planning import Study

_DRAWS = 20


@dataclass(frozen=True, slots=True)
class Entrant:
    """One net of the final table: its role, its budget (None: the full net), its seeds and where its weights start."""

    id: str
    role: Role
    budget: int | None
    candidate: Candidate
    seeds: tuple[int, ...]
    start: Start

    def trainings(self) -> list[Training]:
        """One a seed; a winner that is the uniform gene is trained once."""
        named = ((training_name(self.candidate, self.start, seed), seed) for seed in self.seeds)
        return [Training(name, self.candidate, seed, start=self.start) for name, seed in named]


def training_name(candidate: Candidate, start: str, seed: int) -> str:
    """What a training at the end and its files are called: by its net, the weights it starts from and its seed."""
    return f"{digest(candidate)}-{start}-seed{seed}"


def exported_training(student: Student) -> str:
    """The name of the training whose net is exported: the seed that did best on the validation part."""
    return training_name(student.candidate, student.lineage["start"], student.lineage["exported_seed"])


def digest(candidate: Candidate) -> str:
    """Eight characters that stand for the gene in file names."""
    return hashlib.sha256(repr(candidate.pairs).encode()).hexdigest()[:8]


def rank(outcomes: Iterable[Outcome], windows: Sequence[Window]) -> list[Outcome]:
    """The finished outcomes within the windows' upper ends, best merit first (the earlier one at a tie).

    Those that were given up on their way are left out: their scores are of other images or of another age. Those below
    a lower end, such as another budget's, come last: a score is too rough to give away half a budget for.
    """
    fitting = [
        outcome
        for outcome in outcomes
        if outcome.state == "done"
        and not outcome.partial
        and all(outcome.costs[window.cost] <= window.high for window in windows)
    ]

    def place(outcome: Outcome) -> tuple[bool, float, int]:
        below = any(window.miss(outcome.costs) != 0 for window in windows)
        return below, -outcome.merit, outcome.number

    return sorted(fitting, key=place)


def list_entrants(study: Study, winners: Sequence[Candidate]) -> list[Entrant]:
    """Every net of the final table: winners, and the controls that the study asks for."""
    spec, ctx, start = study.spec.finish, study.ctx, study.spec.start
    seeds = student_seeds(study.spec.seed, spec.seeds)
    entrants = []
    for budget, winner in enumerate(winners):
        mark = f"-{budget}" if len(winners) > 1 else ""
        entrants.append(Entrant(f"winner{mark}", "winner", budget, winner, seeds, start))
        if spec.controls.uniform:
            entrants.append(Entrant(f"uniform{mark}", "uniform", budget, ctx.uniform[budget], seeds, start))
        if spec.controls.scratch:
            entrants.append(Entrant(f"scratch{mark}", "scratch", budget, winner, seeds, "scratch"))
        for number, gene in enumerate(_random_controls(study, budget)):
            entrants.append(Entrant(f"random{mark}-{number}", "random", budget, gene, seeds[:1], start))
    if spec.controls.full:
        entrants.append(Entrant("full", "full", None, study.strategy.complete(ctx.widths.full), seeds, start))
    return entrants


def _random_controls(study: Study, budget: int) -> list[Candidate]:
    """So many different random genes as the study asks for; fewer where the budget leaves hardly any."""
    ctx, wanted = study.ctx, study.spec.finish.controls.random
    rng = np.random.default_rng((study.spec.seed, 13, budget))
    found: dict[Candidate, None] = {}
    for _ in range(_DRAWS * wanted):
        if len(found) < wanted:
            gene = ctx.draw(budget, rng)
            found[replace(gene, origin="random control")] = None
    return list(found)


def collect(study: Study, entrants: Sequence[Entrant]) -> list[Student]:
    """The students with their figures on the test part, read here and nowhere else: once a trained net."""
    return [_student(study, entrant) for entrant in entrants]


def _student(study: Study, entrant: Entrant) -> Student:
    nets = {training.seed: final_net(study, entrant.candidate, training.name) for training in entrant.trainings()}
    tested = {seed: study.task.examine(net, "test", device=study.ctx.device) for seed, net in nets.items()}
    shown = _read_validated(study, entrant, nets)
    metric = study.task.metric
    best = max(shown, key=lambda seed: (metric.on_validation.merit(shown[seed]), -seed))
    reached = {seed: figures[metric.name] for seed, (figures, _) in tested.items()}
    both = {metric.name: [*reached.values()], metric.validation: [*shown.values()]}
    lineage: Mapping[str, Any] = {
        "origin": entrant.candidate.origin,
        "budget": entrant.budget,
        "strategy": study.spec.finish.name,
        "start": entrant.start,
        "seeds": {str(seed): figure for seed, figure in reached.items()},
        "validated": {str(seed): figure for seed, figure in shown.items()},
        "exported_seed": best,
    }
    return Student(
        id=entrant.id,
        role=entrant.role,
        candidate=entrant.candidate,
        metrics={name: statistics.fmean(figures) for name, figures in both.items()},
        spread={name: statistics.stdev(figures) for name, figures in both.items()} if len(nets) > 1 else {},
        costs=final_costs(study, entrant.candidate, nets[best]),
        history=_read_history(study, entrant, best),
        lineage=lineage,
        details=tested[best][1] if entrant.role == "winner" else {},
    )


def _read_validated(study: Study, entrant: Entrant, nets: Mapping[int, nn.Module]) -> dict[int, float]:
    """The headline figure on the validation images by seed."""
    name, candidate = study.ctx.task.metric.name, entrant.candidate
    return {
        training.seed: validated(study, candidate, training.name, nets[training.seed])[name]
        for training in entrant.trainings()
    }


def _read_history(study: Study, entrant: Entrant, seed: int) -> tuple[Mapping[str, float], ...]:
    name = next(training.name for training in entrant.trainings() if training.seed == seed)
    return tuple(read_record(study, name)["history"])
