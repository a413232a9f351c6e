"""Where a winner came from: the chain of candidates that it was bred from; no torch here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kdsearch.records import Outcome
from kdsearch.report.run import Run

LONGEST = 12
_TRIAL_NUMBER = re.compile(r"(?<![\d.])\d+(?![\d.%])")


@dataclass(frozen=True, slots=True)
class Ancestor:
    """One step of the chain: the trial, how its candidate was drawn, and what came of it."""

    number: int
    origin: str
    outcome: Outcome


def trace_origin(run: Run, candidate: Mapping[str, Any]) -> list[Ancestor]:
    """The trial that scored this candidate, then its better parent, and so on; at most ``LONGEST`` steps.

    Parents are the trial numbers that a candidate's origin names.
    """
    by_number = {outcome.number: outcome for outcome in run.done}
    at = next((outcome for outcome in run.done if outcome.candidate.values == dict(candidate)), None)
    chain: list[Ancestor] = []
    while at is not None and len(chain) < LONGEST:
        chain.append(Ancestor(at.number, at.candidate.origin or "not recorded", at))
        at = _choose_parent(at, by_number)
    return chain


def _choose_parent(child: Outcome, by_number: Mapping[int, Outcome]) -> Outcome | None:
    numbers = (int(found) for found in _TRIAL_NUMBER.findall(child.candidate.origin))
    parents = [by_number[number] for number in numbers if number in by_number and number < child.number]
    return max(parents, key=lambda parent: parent.merit, default=None)


def say_teacher(run: Run) -> str:
    """The teacher, how it was asked and why, and what a training asked of one whose questions count; or none."""
    if run.teacher is None:
        return "none"
    last = ((net.id, net.history[-1].get("queries", 0)) for net in run.nets if net.history)
    counted = [f"about {count:,.0f} images for {name}" for name, count in last if count]
    return f"{run.teacher.name}, {'; '.join([*run.teacher.asked, *counted]) or 'not asked'}"


def say_ranking(run: Run) -> str:
    """What candidates were compared by."""
    return f"{run.ranking.words} on the {run.ranking.validated_on}"
