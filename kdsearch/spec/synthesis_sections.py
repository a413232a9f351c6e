"""What is said about images that are made from a teacher alone; no torch here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from kdsearch.spec.convergence_sections import ConvergenceOptions
from kdsearch.spec.sections import Section
from kdsearch.spec.terms import NotNegative, Positive, Range, number

# The weights of the authors' code and of their answers to questions, by the data that their teachers learned.
PAPER_WEIGHTS: Mapping[str, Mapping[str, float]] = {
    "mnist": {"one_hot": 1.0, "entropy": 5.0, "activation": 0.1},
    "cifar10": {"one_hot": 0.05, "entropy": 5.0, "activation": 0.01},
    "cifar100": {"one_hot": 0.5, "entropy": 20.0, "activation": 0.1},
    "celeba": {"one_hot": 2.0, "entropy": 10.0, "activation": 0.1},
}
_INSIDE = ("activation", "batch_norm")
FRESH = 1_000
"""Images of an evaluation."""
CHOICE = 2
"""Procedural images that are drawn for one that is kept."""
_COLOUR = frozenset({"cifar10", "cifar100", "celeba"})
PAPER_SIZES: Mapping[bool, Mapping[str, float]] = {
    # whether in colour
    False: {"noise": 100, "batch_size": 512, "learning_rate": 0.2},
    True: {"noise": 1000, "batch_size": 1024, "learning_rate": 0.02},
}


class SynthesisOptions(Section):
    """How images are made that a teacher is sure about (DAFL, Chen et al. 2019), and how many are kept in a bank.

    ``preset: dafl-paper`` is the authors' generator with their weights and sizes for ``paper``, the data that the
    teacher learned; it takes hours. ``generators``: so many that take turns, each from another seed. ``noise``:
    numbers that an image is made of; ``width``: channels of the generator's last hidden layer. Weights: ``one_hot``
    (the teacher should be sure), ``entropy`` (of all classes alike, in decimal logarithms as in the paper),
    ``activation`` (its classifier should read large numbers), ``batch_norm`` (its batch norms should see the
    statistics that they keep; nothing where it has none) and ``smooth`` (total variation). ``procedural``: for each
    image of a generator so many that nobody learned to make: curves, discs and fractal noise in the brightness that
    the teacher's card states, those chosen of which the teacher sees all classes alike. ``meta_generator``: so many
    steps are made towards each batch by a copy of the generator, which then learns from where the copy went
    (FastDFKD). ``steps``: of the generators, where a bank is made alone. ``bank``: images that are kept, the
    newest; ``probe``: a sample of all that were ever made, which nobody trains on, and ``test`` another one.
    ``convergence``: when generators count as collapsed, and what is done then.
    ``through``: whose gradients teach the generators. Experimental, for a teacher that gives none: those of the student
    in its place, or what ``differences`` of its answers along so many random ``directions`` an image tell (DFME).
    ``queries``: of a teacher that is a file, how many images it may be asked about at most, the thousand of each
    evaluation among them; the student goes on with what there is then.
    """

    preset: Literal["fast", "dafl-paper"] = "fast"
    paper: Literal["mnist", "cifar10", "cifar100", "celeba"] = "mnist"
    generators: int = Field(1, ge=1, le=64)
    noise: int = Field(100, ge=1, le=100_000)
    width: Positive = 8
    batch_size: int = Field(32, ge=8, le=65_536)
    learning_rate: Positive = 2e-3
    one_hot: NotNegative = 1.0
    entropy: NotNegative = 5.0
    activation: NotNegative = 0.1
    batch_norm: NotNegative = 1.0
    smooth: NotNegative = 0.0
    procedural: NotNegative = 6.0
    meta_generator: int = Field(0, ge=0, le=1_000)
    steps: int = Field(400, ge=1, le=10_000_000)
    bank: Positive = 20_000
    probe: int = Field(1_000, ge=16, le=1_000_000)
    test: int = Field(1_000, ge=16, le=1_000_000)
    convergence: ConvergenceOptions = ConvergenceOptions()
    through: Literal["teacher", "student", "differences"] = "teacher"
    directions: int = Field(1, ge=1, le=1_000)
    queries: int | None = Field(None, ge=1, le=1_000_000_000)

    @model_validator(mode="before")
    @classmethod
    def _as_in_the_paper(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("preset") != "dafl-paper":
            return given
        set_by = paper_settings(str(given.get("paper", "mnist")))
        for key, value in set_by.items():
            if given.get(key, value) != value:
                raise ValueError(f"preset: dafl-paper sets {key} to {value:g}; remove one of the two")
        return {**given, **set_by}

    @model_validator(mode="after")
    def _goes_one_way(self) -> Self:
        if self.through != "teacher" and (inside := self.inside_teacher):
            raise ValueError(f"through: {self.through} knows answers alone; say {' and '.join(inside.values())}")
        if self.through != "teacher" and self.meta_generator:
            raise ValueError(f"meta_generator: asks at each of its steps; leave it out beside through: {self.through}")
        self.check_queries(1)
        return self

    def check_queries(self, evaluations: int) -> None:
        """Raises ValueError where not even one step may be asked about beside so many evaluations."""
        least = self.queries_a_step + FRESH * evaluations
        if self.queries is not None and self.queries < least:
            raise ValueError(
                f"queries: one step and {evaluations} evaluation{'s' * (evaluations > 1)} ask about {least:,} images; "
                "raise it, or evaluate less often"
            )

    @property
    def queries_a_step(self) -> int:
        """About how many images a teacher is asked in one step of a generator, the procedural ones among them."""
        generated = {"teacher": 2 * max(1, self.meta_generator), "student": 1, "differences": 2 + self.directions}
        drawn = CHOICE * number(self.settled({}).procedural)
        return round(self.batch_size * (generated[self.through] + drawn))

    @property
    def inside_teacher(self) -> Mapping[str, str]:
        """The losses that read inside the teacher and were asked for; at their defaults they count where they can."""
        fields = type(self).model_fields
        asked = (name for name in _INSIDE if getattr(self, name) not in (0, fields[name].default))
        return {f"synthesis.{name}": f"synthesis.{name}: 0" for name in asked}

    @property
    def ranges(self) -> Mapping[str, Range]:
        """Name to range, of all that is searched."""
        return {name: value for name, value in self._amounts() if isinstance(value, Range)}

    def settled(self, values: Mapping[str, Any]) -> Self:
        """These options with numbers for all ranges: those of ``values`` by name, else where each range starts."""
        return self.model_copy(update={name: values.get(name, span.first) for name, span in self.ranges.items()})

    def idle(self) -> Mapping[str, str]:
        found = {} if self.preset == "dafl-paper" else {"paper": "preset: dafl-paper takes its weights"}
        if self.through != "differences":
            found["directions"] = "through: differences goes along them"
        return found

    def _amounts(self) -> Iterator[tuple[str, Any]]:
        return ((name, getattr(self, name)) for name in type(self).model_fields)


def paper_settings(data: str) -> dict[str, float]:
    """What the preset sets for teachers of these data; nothing of an unknown name, which has its own message."""
    if data not in PAPER_WEIGHTS:
        return {}
    sizes = {
        "generators": 1,
        "width": 64,
        "batch_norm": 0.0,
        "smooth": 0.0,
        "procedural": 0.0,
        "meta_generator": 0,
        **PAPER_SIZES[data in _COLOUR],
    }
    return sizes | dict(PAPER_WEIGHTS[data])
