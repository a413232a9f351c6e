"""What is said about a student that learns from a teacher alone; no torch here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from kdsearch.spec.metric import LIKELIHOOD, Metric
from kdsearch.spec.sections import Augmentation, RankedBy
from kdsearch.spec.strategy_options import TrainingOptions
from kdsearch.spec.synthesis_sections import SynthesisOptions
from kdsearch.spec.terms import NotNegative, Positive, Range

_SYNTHESIS = "synthesis."
_PAPER: Mapping[str, Any] = {
    "batch_size": 512,
    "student_steps": 1,
    "optimizer": "adamw",
    "learning_rate": 2e-3,
    "weight_decay": 0.0,
    "schedule": "constant",
    "temperature": 1.0,
    "adversarial": 0.0,
    "augment": {"crop": 0, "flip": False},
}


class DataFreeOptions(TrainingOptions):
    """The recipe trains the student, on images that generators make beside it as ``synthesis`` says.

    An epoch is what lies between two evaluations: ``rounds`` steps of a generator. After each of them the student
    takes ``student_steps`` from the bank (auto: as many as take six times as long as the generator's step, timed
    once), by the divergence of its answers from the teacher's at ``temperature``; the teacher is asked anew where
    ``augment`` changes an image. ``adversarial``: weight by which the generators look for images on which the two
    nets differ, from ``adversarial_from`` of the training on.
    ``preset: dafl-paper`` is the joint step of the authors' code: one student step on the images that the generator
    has just made, no bank, constant rates. ``starts``: so many trainings from other seeds begin side by side, of which
    the better half by their pooled probes goes on after a quarter, and after half, of the epochs. ``ranked_by``: what
    candidates are compared by, the likelihood of the validation labels (of the teacher's answers, in a study without
    data), which is less noisy than the task's metric. ``search_widths``: beside the ranges.
    """

    preset: Literal["fast", "dafl-paper"] = "fast"
    synthesis: SynthesisOptions = SynthesisOptions()
    epochs: int = Field(10, ge=1, le=1_000_000)
    rounds: int = Field(20, ge=1, le=1_000_000)
    starts: int = Field(1, ge=1, le=16)
    student_steps: Literal["auto"] | Annotated[int, Field(ge=1, le=10_000)] | Range = "auto"
    batch_size: int = Field(64, ge=2, le=1_000_000)
    optimizer: Literal["sgd", "adamw"] = "adamw"
    learning_rate: Positive = 4e-3  # type: ignore[assignment]  # a number once the options are settled
    weight_decay: float = Field(0.0, ge=0, le=1e6)
    temperature: Positive = 1.0
    adversarial: NotNegative = 0.0
    adversarial_from: float = Field(0.3, ge=0, lt=1)
    augment: Augmentation = Augmentation(crop=2, flip=False)
    ranked_by: RankedBy = "likelihood"
    search_widths: bool = False

    for_search: ClassVar[frozenset[str]] = frozenset({"search_widths", "ranked_by"})

    @model_validator(mode="before")
    @classmethod
    def _as_in_the_paper(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("preset") != "dafl-paper":
            return given
        synthesis = given.get("synthesis", {})
        if isinstance(synthesis, SynthesisOptions):
            synthesis = synthesis.model_dump()
        made = {**synthesis, "preset": "dafl-paper"}
        return {**_PAPER, **given, "synthesis": made}

    @model_validator(mode="after")
    def _steps_are_some(self) -> DataFreeOptions:
        steps = self.student_steps
        least = steps.low if isinstance(steps, Range) else steps
        if least != "auto" and not 1 <= least <= 10_000:
            raise ValueError(f"student_steps must be auto or 1 to 10000 (got {least:g})")
        return self

    @model_validator(mode="after")
    def _asks_as_little_as_it_says(self) -> DataFreeOptions:
        if self.synthesis.through == "student" and self.adversarial != 0:
            raise ValueError("adversarial: a student in the teacher's place is never at odds with it; set it to 0")
        if self.synthesis.queries is not None and self.preset == "dafl-paper":
            raise ValueError("synthesis.queries: preset: dafl-paper has no bank to go on with; remove one of the two")
        if self.synthesis.queries is not None and self.augment != Augmentation(crop=0, flip=False):
            raise ValueError("augment: asks the teacher anew; say {crop: 0, flip: false} beside synthesis.queries")
        self.synthesis.check_queries(self.epochs)
        return self

    @property
    def asks_teacher(self) -> bool:
        return True

    @property
    def inside_teacher(self) -> Mapping[str, str]:
        return self.synthesis.inside_teacher

    @property
    def score_metric(self) -> Metric | None:
        return LIKELIHOOD if self.ranked_by == "likelihood" else None

    @property
    def descends_teacher(self) -> bool:
        return self.synthesis.through == "teacher"

    @property
    def without_data(self) -> bool:
        return True

    @property
    def lengths(self) -> Mapping[str, int]:
        return {"rounds": self.rounds}

    @property
    def ranges(self) -> Mapping[str, Range]:
        own = {name: getattr(self, name) for name in ("student_steps", "learning_rate", "temperature", "adversarial")}
        found = {name: span for name, span in own.items() if isinstance(span, Range)}
        return found | {_SYNTHESIS + name: span for name, span in self.synthesis.ranges.items()}

    def option_of(self, amount: str) -> str:
        return "synthesis" if amount.startswith(_SYNTHESIS) else amount

    @property
    def searches_widths(self) -> bool:
        return self.search_widths or not self.ranges

    def settled(self, values: Mapping[str, Any]) -> Self:
        """These options with numbers for all ranges: those of ``values`` by name, else where each range starts."""
        found = {name: values.get(name, span.first) for name, span in self.ranges.items()}
        inner = {name.removeprefix(_SYNTHESIS): v for name, v in found.items() if name.startswith(_SYNTHESIS)}
        own = {name: value for name, value in found.items() if not name.startswith(_SYNTHESIS)}
        if "student_steps" in own:
            own["student_steps"] = round(own["student_steps"])
        return self.model_copy(update={**own, "synthesis": self.synthesis.settled(inner)})
