"""The figure by which a task judges nets: its name, which way is better, and how a person reads it; no torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

TEST_IMAGES = "test images"
VALIDATION = "validation_"
"""What stands before the name of a figure in records of the validation images."""


@dataclass(frozen=True, slots=True)
class Metric:
    """The headline figure of a task.

    ``name``: as it stands in summaries, ledgers and manifests; ``label``: as a sentence names it. ``times``, ``unit``
    and ``digits``: how it is printed, such as 100, % and 1 for 0.973 as 97.3 %; ``points``: what a difference is
    counted in. ``least``: a value that it cannot be below, where charts begin. ``tested_on``, ``validated_on``: what
    the images of the test and the validation part are called. ``searched``, ``searched_label``: name and label of what
    is measured on validation images where that is another figure.
    """

    name: str
    better: Literal["higher", "lower"] = "higher"
    label: str = ""
    unit: str = ""
    times: float = 1.0
    digits: int = 3
    points: str = ""
    least: float | None = None
    tested_on: str = TEST_IMAGES
    validated_on: str = "validation images"
    searched: str = ""
    searched_label: str = ""

    @property
    def on_validation(self) -> Metric:
        """The figure that validation images give: what a search, its finalists and the curves of trainings show."""
        if not self.searched:
            return self
        label = self.searched_label
        return replace(
            self, name=self.searched, label=label, tested_on=self.validated_on, searched="", searched_label=""
        )

    @property
    def tested(self) -> str:
        """What a table calls the figure at the end: ``test accuracy``, where there were test images."""
        return f"test {self.words}" if self.tested_on == TEST_IMAGES else self.words

    @property
    def told(self) -> str:
        """What a sentence calls the figure at the end: as a table, and on which images if they were no test images."""
        return self.tested if self.tested_on == TEST_IMAGES else f"{self.words} on {self.tested_on}"

    @property
    def validation(self) -> str:
        """What it is called in records of the validation images."""
        return f"{VALIDATION}{self.searched or self.name}"

    @property
    def training(self) -> str:
        """What it is called in records of the training images."""
        return f"train_{self.searched or self.name}"

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
        return self._with_unit(self.words)

    @property
    def tested_axis(self) -> str:
        """What an axis of the figure at the end is called."""
        return self._with_unit(self.told)

    def _with_unit(self, said: str) -> str:
        return f"{said}, {self.unit}" if self.unit.isalpha() else said

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

AGREEMENT = Metric(
    "agreement",
    label="agreement with the teacher",
    unit="%",
    times=100,
    digits=1,
    points="points",
    least=0.0,
    tested_on="generated images",
    validated_on="generated images",
)
"""The share of generated images on which a net's answer is the teacher's: of studies without images of their own."""

ANSWERS_LIKELIHOOD = replace(
    LIKELIHOOD,
    label="log-likelihood of the teacher's answers",
    tested_on=AGREEMENT.tested_on,
    validated_on=AGREEMENT.validated_on,
)
"""What is expected of the log-likelihood under the teacher's answers about generated images, a mean over them."""
