"""Candidates and the spaces they are drawn from; no torch here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TypeGuard

import numpy as np
import numpy.typing as npt

Value = int | float | str
Costs = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One point of a search space: (name, value) pairs sorted by name; ``origin`` says how it was drawn.

    For a width space the names are channel groups and the values are kept channels, so two genes that give the
    same net are the same candidate. ``origin`` takes no part in comparison.
    """

    pairs: tuple[tuple[str, Value], ...]
    origin: str = field(default="", compare=False)

    @classmethod
    def of(cls, values: Mapping[str, Value], origin: str = "") -> Candidate:
        """The candidate with these values."""
        return cls(tuple(sorted(values.items())), origin)

    @property
    def values(self) -> dict[str, Value]:
        return dict(self.pairs)

    @property
    def widths(self) -> dict[str, int]:
        """Its whole numbers: the kept channels of each group."""
        return {name: value for name, value in self.pairs if isinstance(value, int)}

    @property
    def reals(self) -> dict[str, float]:
        """Its real numbers: what a strategy searches beside widths, such as the weight of a loss."""
        return {name: value for name, value in self.pairs if isinstance(value, float)}


@dataclass(frozen=True, slots=True)
class Choice:
    """A parameter that takes one of ``values``, in ascending order where they are numbers."""

    name: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Real:
    """A real parameter between ``low`` and ``high``, drawn on a logarithmic scale if ``log``."""

    name: str
    low: float
    high: float
    log: bool = False


Measure = Callable[[Candidate], Costs]
Rng = np.random.Generator
Ranks = npt.NDArray[np.int64]
FloatRanks = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Window:
    """The range that one cost of a candidate must lie in: ``low`` (None: no lower end) to ``high``, both included."""

    cost: str
    low: float | None
    high: float

    def miss(self, costs: Costs) -> float:
        """How far outside the range these costs are, as a share of ``high``.

        0: inside; above 0: too dear; below 0: too cheap.
        """
        found = costs[self.cost]
        if found > self.high:
            return found / self.high - 1
        if self.low is not None and found < self.low:
            return (found - self.low) / self.high
        return 0.0


Windows = tuple[Window, ...]


class SearchSpace:
    """All the candidates that a set of parameters spans.

    A choice of numbers is ordered: its values have ranks, which ``offset`` and ``repair`` move up and down together.
    ``bend`` moves them by a curve over the order in which the parameters were given: for a net, that of its layers.
    """

    def __init__(self, parameters: Iterable[Choice | Real]) -> None:
        given = tuple(parameters)
        self.parameters = tuple(sorted(given, key=lambda parameter: parameter.name))
        self.names = tuple(parameter.name for parameter in self.parameters)
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"two parameters of one name: {', '.join(self.names)}")
        self._rank_of = {p.name: _ranks(p) for p in self.parameters if isinstance(p, Choice)}
        self._ordered = [place for place, parameter in enumerate(self.parameters) if is_ordered(parameter)]
        self._values = [parameter.values for parameter in self.parameters if is_ordered(parameter)]
        depth = [parameter.name for parameter in given if is_ordered(parameter)]
        places = [depth.index(self.names[place]) for place in self._ordered]
        self._depths = np.array(places) / max(1, len(depth) - 1)
        self.last_ranks = np.array([len(values) - 1 for values in self._values], dtype=np.int64)

    def size(self) -> float:
        """The number of candidates; infinite where a parameter is real or the number exceeds a float."""
        if any(isinstance(parameter, Real) for parameter in self.parameters):
            return math.inf
        count = math.prod(len(ranks) for ranks in self._rank_of.values())
        return float(count) if count < 10**300 else math.inf

    def contains(self, candidate: Candidate) -> bool:
        """Whether the candidate has exactly this space's parameters, each with a value it may take."""
        if tuple(name for name, _ in candidate.pairs) != self.names:
            return False
        return all(
            _allows(parameter, value) for parameter, (_, value) in zip(self.parameters, candidate.pairs, strict=True)
        )

    def every(self, origin: str = "random") -> Iterator[Candidate]:
        """All candidates in turn; for small spaces of choices only.

        Raises:
            ValueError: a parameter is real.
        """
        lists = [parameter.values for parameter in self.parameters if isinstance(parameter, Choice)]
        if len(lists) < len(self.parameters):
            raise ValueError("a space with a real parameter has no list of candidates")
        return (Candidate(tuple(zip(self.names, values, strict=True)), origin) for values in product(*lists))

    def sample(self, rng: Rng, origin: str = "random") -> Candidate:
        """A candidate with every parameter drawn uniformly."""
        return Candidate(tuple((parameter.name, _draw(parameter, rng)) for parameter in self.parameters), origin)

    def mutate(self, candidate: Candidate, rng: Rng, probability: float, origin: str = "mutation") -> Candidate:
        """A copy with each parameter re-drawn with ``probability``, never as it was.

        Where none was chosen one is, as a copy would only be thrown away as a duplicate.
        """
        chosen = rng.random(len(self.parameters)) < probability
        if not chosen.any():
            chosen[rng.integers(len(self.parameters))] = True
        pairs = [
            (name, _redraw(parameter, value, rng) if change else value)
            for parameter, (name, value), change in zip(self.parameters, candidate.pairs, chosen, strict=True)
        ]
        return Candidate(tuple(pairs), origin)

    def crossover(self, first: Candidate, second: Candidate, rng: Rng, origin: str = "crossover") -> Candidate:
        """A candidate that takes each parameter from either parent with equal chance."""
        from_first = rng.random(len(self.parameters)) < 0.5
        pairs = (one if take else two for one, two, take in zip(first.pairs, second.pairs, from_first, strict=True))
        return Candidate(tuple(pairs), origin)

    def distance(self, first: Candidate, second: Candidate) -> float:
        """The mean difference of their parameters, each as a share (0..1) of its range or of its list of choices.

        Parameters with one choice take no part; words that differ are 1 apart.
        """
        pairs = zip(self.parameters, first.pairs, second.pairs, strict=True)
        apart = [_apart(parameter, one, two) for parameter, (_, one), (_, two) in pairs if not _is_fixed(parameter)]
        return float(np.mean(apart)) if apart else 0.0

    def offset(self, candidate: Candidate, shift: float) -> Candidate:
        """A copy with the rank of every ordered choice moved by ``shift`` of its list's length, but not beyond it."""
        return self.at_ranks(candidate, self.ranks(candidate) + shift * self.last_ranks)

    def bend(self, candidate: Candidate, tilt: float, bow: float, origin: str = "") -> Candidate:
        """A copy with ranks moved by a curve over the depth, in shares of each list.

        ``tilt``: how much more the last choice moves than the first; ``bow``: how much more the middle moves than the
        ends. The curve's mean is 0.
        """
        curve = tilt * self._depths - bow * np.abs(2 * self._depths - 1)
        bent = self.at_ranks(candidate, self.ranks(candidate) + (curve - curve.mean()) * self.last_ranks)
        return replace(bent, origin=origin or bent.origin)

    def ranks(self, candidate: Candidate) -> Ranks:
        """The place of each ordered choice's value in its list, counted from 0."""
        pairs = (candidate.pairs[place] for place in self._ordered)
        return np.array([self._rank_of[name][value] for name, value in pairs], dtype=np.int64)

    def at_ranks(self, candidate: Candidate, ranks: Ranks | FloatRanks) -> Candidate:
        """A copy with each ordered choice at the rank given, rounded and kept inside the list."""
        inside = np.clip(np.rint(ranks), 0, self.last_ranks).astype(np.int64).tolist()
        pairs = list(candidate.pairs)
        for place, values, rank in zip(self._ordered, self._values, inside, strict=True):
            pairs[place] = (pairs[place][0], values[rank])
        return Candidate(tuple(pairs), candidate.origin)


def _ranks(choice: Choice) -> dict[Value, int]:
    ranks = {value: rank for rank, value in enumerate(choice.values)}
    if not ranks or len(ranks) < len(choice.values):
        raise ValueError(f"{choice.name}: needs values, each once (got {choice.values})")
    if is_ordered(choice) and list(choice.values) != sorted(choice.values, key=float):
        raise ValueError(f"{choice.name}: numbers must ascend (got {choice.values})")
    return ranks


def is_ordered(parameter: Choice | Real) -> TypeGuard[Choice]:
    """Whether the parameter is a choice of numbers, which has ranks."""
    return isinstance(parameter, Choice) and not any(isinstance(value, str) for value in parameter.values)


def _is_fixed(parameter: Choice | Real) -> bool:
    return isinstance(parameter, Choice) and len(parameter.values) == 1


def _apart(parameter: Choice | Real, first: Value, second: Value) -> float:
    if is_ordered(parameter):
        return abs(parameter.values.index(first) - parameter.values.index(second)) / (len(parameter.values) - 1)
    if isinstance(parameter, Choice):
        return float(first != second)
    low, high, one, two = (
        math.log(float(value)) if parameter.log else float(value)
        for value in (parameter.low, parameter.high, first, second)
    )
    return abs(one - two) / (high - low)


def _allows(parameter: Choice | Real, value: Value) -> bool:
    if isinstance(parameter, Choice):
        return value in parameter.values
    return not isinstance(value, str) and parameter.low <= value <= parameter.high


def _draw(parameter: Choice | Real, rng: Rng) -> Value:
    if isinstance(parameter, Choice):
        return parameter.values[rng.integers(len(parameter.values))]
    if parameter.log:
        drawn = math.exp(rng.uniform(math.log(parameter.low), math.log(parameter.high)))
        return min(max(drawn, parameter.low), parameter.high)  # exp(log(x)) may miss x by a rounding
    return float(rng.uniform(parameter.low, parameter.high))


def _redraw(parameter: Choice | Real, value: Value, rng: Rng) -> Value:
    if isinstance(parameter, Real) or len(parameter.values) == 1:
        return _draw(parameter, rng)
    step = rng.integers(1, len(parameter.values))
    return parameter.values[(parameter.values.index(value) + step) % len(parameter.values)]
