"""An outcome as one of Optuna's trials, and back."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import reduce
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdsearch.candidates.space import Candidate, Choice, Real
from kdsearch.errors import StoreError
from kdsearch.records import Outcome
from kdsearch.rundir.pictures import picture_id
from kdsearch.spec.metric import ACCURACY, Metric

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

_METRIC, _COST, _SEAL = "metric ", "cost ", "seal"
_CREATED = 4  # the code, in Optuna's journal, of an entry that adds a trial


def make_trial(
    outcome: Outcome,
    objectives: Sequence[str],
    distributions: Mapping[str, BaseDistribution],
    pictures: Sequence[Path] = (),
) -> FrozenTrial:
    """The outcome as a finished trial: these are its values, a metric and then costs, and every figure an attribute.

    Pictures are its artifacts, as Optuna's dashboard looks for them.
    """
    from optuna.trial import TrialState, create_trial

    ranked_by, *costs = objectives
    values = [outcome.metrics.get(ranked_by, math.nan), *(outcome.costs.get(cost, math.nan) for cost in costs)]
    done = outcome.state == "done" and all(math.isfinite(value) for value in values)
    ended = TrialState.PRUNED if outcome.partial else TrialState.COMPLETE
    trial = create_trial(
        state=ended if done else TrialState.FAIL,
        intermediate_values=dict(enumerate(takewhile(math.isfinite, outcome.curve), start=1)),
        values=[float(value) for value in values] if done else None,
        params=outcome.candidate.values,
        distributions={name: distributions[name] for name, _ in outcome.candidate.pairs},
        user_attrs=_attributes(outcome),
        system_attrs=_artifacts(outcome.number, pictures),
    )
    trial.user_attrs = {**trial.user_attrs, _SEAL: _seal(_line_of(trial))}
    if trial.datetime_complete is not None:
        trial.datetime_start = trial.datetime_complete - timedelta(seconds=outcome.seconds)
    return trial


def find_distribution(parameter: Choice | Real) -> BaseDistribution:
    """An integer range whose step reaches every value, which the dashboard draws on an axis; else categories."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(parameter, Real):
        return FloatDistribution(parameter.low, parameter.high, log=parameter.log)
    numbers = [value for value in parameter.values if isinstance(value, int)]
    if len(numbers) < len(parameter.values):
        return CategoricalDistribution(parameter.values)
    step = reduce(math.gcd, (number - numbers[0] for number in numbers)) or 1
    return IntDistribution(numbers[0], numbers[-1], step=step)


def _attributes(outcome: Outcome) -> dict[str, Any]:
    """What a trial carries beside its values; one attribute a figure, so that the dashboard can draw them."""
    metrics = {_METRIC + name: _plain(value) for name, value in outcome.metrics.items()}
    costs = {_COST + name: _plain(value) for name, value in outcome.costs.items()}
    fixed = {
        "number": outcome.number,
        "origin": outcome.candidate.origin,
        "state": outcome.state,
        "seconds": outcome.seconds,
    }
    failure = {"traceback": outcome.traceback} if outcome.traceback else {}
    return {**fixed, **metrics, **costs, **failure}


def _artifacts(number: int, pictures: Sequence[Path]) -> dict[str, str]:
    described = [
        {"artifact_id": picture_id(number, path), "filename": path.name, "mimetype": "image/png", "encoding": None}
        for path in pictures
    ]
    return {f"artifacts:{each['artifact_id']}": json.dumps(each) for each in described}


def _plain(value: float) -> int | float | str:
    """A figure that every JSON reader takes: nan and infinity as words."""
    if isinstance(value, int):
        return value
    return float(value) if math.isfinite(value) else repr(float(value))


def read_trial(trial: FrozenTrial, metric: Metric = ACCURACY) -> Outcome:
    """The outcome that ``make_trial`` was given, of a task with this ``metric``.

    Raises:
        StoreError: it is not what was written.
    """
    attributes = trial.user_attrs
    if attributes.get(_SEAL, "") not in ("", _seal(_line_of(trial))):
        raise StoreError(
            f"trial {attributes.get('number')} of the ledger is damaged (it is not what was written); resume the run"
        )
    return Outcome(
        number=attributes["number"],
        candidate=Candidate.of(trial.params, attributes["origin"]),
        state=attributes["state"],
        metrics=_figures(attributes, _METRIC),
        costs=_figures(attributes, _COST),
        seconds=attributes["seconds"],
        traceback=attributes.get("traceback", ""),
        curve=tuple(value for _, value in sorted(trial.intermediate_values.items())),
        metric=metric,
    )


def is_whole(line: bytes) -> bool:
    """Whether a line of a journal is what was written, as far as it says itself; trials carry their own hash."""
    try:
        said = json.loads(line)
        if said.get("study_id", 0) != 0 or (said["op_code"] == _CREATED) != ("distributions" in said):
            return False
        if said["op_code"] != _CREATED or not said["user_attrs"].get(_SEAL):
            return True
        for moment in (said["datetime_start"], said["datetime_complete"]):
            datetime.fromisoformat(moment)
        return bool(_seal(said) == said["user_attrs"][_SEAL])
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return False


def _line_of(trial: FrozenTrial) -> dict[str, Any]:
    """What is hashed of a trial, as its line in the journal has it."""
    from optuna.distributions import distribution_to_json

    kinds = trial.distributions
    return {
        "state": trial.state.value,
        "value": None,
        "values": trial.values,
        "user_attrs": trial.user_attrs,
        "params": {name: kinds[name].to_internal_repr(value) for name, value in trial.params.items()},
        "distributions": {name: distribution_to_json(kind) for name, kind in kinds.items()},
        "intermediate_values": {str(epoch): value for epoch, value in trial.intermediate_values.items()},
    }


def _seal(line: Mapping[str, Any]) -> str:
    own = {name: value for name, value in line["user_attrs"].items() if name != _SEAL}
    numbers = {name: float(value) for name, value in line["params"].items()}
    values = line["values"] if line["values"] is not None else [line["value"]]
    parts = [line["state"], own, numbers, line["distributions"], line["intermediate_values"], list(values)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _figures(attributes: Mapping[str, Any], prefix: str) -> dict[str, float]:
    found = {name.removeprefix(prefix): value for name, value in attributes.items() if name.startswith(prefix)}
    return {name: float(value) if isinstance(value, str) else value for name, value in found.items()}
