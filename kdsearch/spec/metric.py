"""The figure by which a task judges nets: its name, which way is better, and how a person reads it; no torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Metric:
    """The headline figure of a task.

    ``name``: as it stands in summaries, ledgers and manifests; ``label``: as a sentence names it. ``times``, ``unit``
    and ``digits``: how it is printed, such as 100, % and 1 for 0.973 as 97.3 %; ``points``: what a difference is
    counted in. ``least``: a value that it cannot be below, where charts begin.
    """

    name: str
    better: Literal["higher", "lower"] = "higher"
    label: str = ""
    unit: str = ""
    times: float = 1.0
    digits: int = 3
    points: str = ""
    least: float | None = None

    @property
    def validation(self) -> str:
        """What it is called in records of the validation images."""
        return f"validation_{self.name}"

    @property
    def training(self) -> str:
        """What it is called in records of the training images."""
        return f"train_{self.name}"

    @property
    def stderr(self) -> str:
        """What its standard error is called."""
        return f"{self.name}_stderr"

    @property
    def words(self) -> str:
        """What a sentence calls it."""
        return self.label or self.name.replace("_", " ")

    def merit(self, figure: float) -> float:
        """The figure as candidates are compared: higher is better. The one place where a direction is turned."""
        return figure if self.better == "higher" else -figure

    def say(self, figure: float, more_digits: int = 0) -> str:
        """The figure as it is printed: ``97.3 %``."""
        number = f"{self.times * figure:.{self.digits + more_digits}f}".replace("-", "−")
        return f"{number} {self.unit}".rstrip()

    def say_spread(self, figure: float, spread: float) -> str:
        """The figure with its standard deviation: ``97.3 ± 0.2 %``."""
        return f"{self.times * figure:.{self.digits}f} ± {self.times * spread:.{self.digits}f} {self.unit}".rstrip()

    def say_difference(self, difference: float, more_digits: int = 0) -> str:
        """A difference of two figures, with its sign, in ``points``: ``+1.3``."""
        digits = self.digits + more_digits
        rounded = round(self.times * difference, digits) + 0.0  # + 0.0 turns -0.0 into 0.0
        return f"{rounded:+.{digits}f}".replace("-", "−")

    def say_tick(self, figure: float) -> str:
        """The figure beside an axis, as short as it can be: ``97 %``; a unit in letters stands in ``axis`` instead."""
        number = f"{round(self.times * figure, self.digits + 2) + 0.0:g}".replace("-", "−")
        return number if self.unit.isalpha() else f"{number} {self.unit}".rstrip()

    @property
    def axis(self) -> str:
        """What an axis of it is called."""
        return f"{self.words}, {self.unit}" if self.unit.isalpha() else self.words

    def describe(self) -> dict[str, Any]:
        """The metric as a summary keeps it, which ``of`` reads back."""
        return asdict(self)

    @classmethod
    def of(cls, described: Mapping[str, Any] | None) -> Metric:
        """The metric that a summary describes; accuracy of one that was written when there was no other."""
        return cls(**described) if described else ACCURACY


ACCURACY = Metric("accuracy", unit="%", times=100, digits=1, points="points", least=0.0)
"""The share of images classified right: of classification, and of every run written before tasks were plug-ins."""

LIKELIHOOD = Metric("log_likelihood", label="log-likelihood of the labels", unit="nats", digits=2, points="nats")
"""The mean over images of the logarithm of the probability that a net gives to the right label."""
