"""The sections of a study that name a plug-in: ``{name: evolution, population: 20}``; no torch here."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import Field, SerializationInfo, ValidationInfo, field_validator, model_serializer, model_validator
from pydantic.fields import FieldInfo

from kdsearch import registry
from kdsearch.spec.errors import OPTIONS, unknown
from kdsearch.spec.metric import Metric
from kdsearch.spec.sections import Section
from kdsearch.spec.strategy_options import Start, StrategyOptions

if TYPE_CHECKING:
    from kdsearch.spec.study_spec import StudySpec


class Plugin(Section):
    """A plug-in by name, and its own options, which stand beside the name in the study."""

    package: ClassVar[str]
    default: ClassVar[str | None] = None
    """The plug-in that is meant where a study leaves the name out, as studies might before there was a choice."""

    name: str
    options: Section = Field(validation_alias=OPTIONS)

    @classmethod
    def of(cls, name: str) -> Self:
        """The plug-in with its default options."""
        return cls.model_validate({"name": name})

    def find(self) -> type:
        """The plug-in's class."""
        return registry.find(self.package, self.name)

    @classmethod
    def fields_of(cls, given: Mapping[str, Any]) -> Mapping[str, FieldInfo]:
        """What this section may hold when it is written as ``given``: its own fields and those of the plug-in."""
        own = {key: field for key, field in cls.model_fields.items() if key != "options"}
        name = given.get("name", cls.default)
        if name not in registry.available(cls.package):
            return own
        options: type[Section] = registry.find(cls.package, str(name)).Options  # type: ignore[attr-defined]
        return own | options.model_fields

    @model_validator(mode="before")
    @classmethod
    def _split(cls, given: Any) -> Any:
        """The plug-in's own options, which stand beside the name, as one value of ``options``."""
        if not isinstance(given, Mapping):
            return given
        if isinstance(given.get("options"), Section):
            return {OPTIONS if key == "options" else key: value for key, value in given.items()}
        own = {key: value for key, value in given.items() if key in cls.model_fields and key != "options"}
        rest = {key: value for key, value in given.items() if key not in own}
        return {"name": cls.default, **own, OPTIONS: rest}

    @field_validator("name", mode="before")
    @classmethod
    def _known_name(cls, given: Any) -> str:
        known = registry.available(cls.package)
        if not isinstance(given, str):
            raise ValueError(f"must name one of: {', '.join(known)}")
        if given not in known:
            raise ValueError(unknown("name", given, known))
        return given

    @field_validator("options", mode="plain")
    @classmethod
    def _read_options(cls, given: Any, info: ValidationInfo) -> Section:
        if isinstance(given, Section):
            return given
        if "name" not in info.data:  # the name did not validate, which is reported already
            return Section()
        kind = registry.find(cls.package, info.data["name"])
        return kind.Options.model_validate(given)  # type: ignore[attr-defined]

    @model_serializer(mode="plain")
    def _flat(self, info: SerializationInfo) -> dict[str, Any]:
        dumped: dict[str, Any] = {"name": self.name}
        for key in type(self).model_fields:
            value = getattr(self, key)
            if key == "options":
                continue
            dumped[key] = value.model_dump(mode=info.mode) if isinstance(value, Section) else value
        return dumped | self.options.model_dump(mode=info.mode)


class TaskPlugin(Plugin):
    """``task``: what is learned, and from which images."""

    package: ClassVar[str] = "kdsearch.tasks"
    default: ClassVar[str | None] = "classification"

    @property
    def metric(self) -> Metric:
        """The figure by which the task judges nets."""
        judged: Metric = self.find().metric  # type: ignore[attr-defined]  # a task has one
        return judged


class SearcherPlugin(Plugin):
    """``search``: how candidates are drawn."""

    package: ClassVar[str] = "kdsearch.searchers"


class StrategyPlugin(Plugin):
    """``strategy``: how a candidate is scored."""

    package: ClassVar[str] = "kdsearch.strategies"

    options: StrategyOptions = Field(validation_alias=OPTIONS)


class PrunerPlugin(Plugin):
    """``pruner``: when the training of a candidate that falls behind is stopped; for strategies that train them."""

    package: ClassVar[str] = "kdsearch.pruners"


class PassPlugin(Plugin):
    """One of ``compress``: a compression pass on the trained student."""

    package: ClassVar[str] = "kdsearch.compress"


class ExporterPlugin(Plugin):
    """One of ``export``: a file format."""

    package: ClassVar[str] = "kdsearch.exporters"


class ExecutorPlugin(Plugin):
    """``executor``: where trials run."""

    package: ClassVar[str] = "kdsearch.executors"


class Controls(Section):
    """What is trained beside the winners with the same recipe and seeds, so that the search can be judged.

    ``uniform``: the net of uniform width with the winner's costs; ``full``: the unpruned net; ``random``: so many
    random candidates of the same costs, one seed each; ``scratch``: the winner's own net from fresh weights, where
    ``finish.start`` is ``inherited``.
    """

    uniform: bool = True
    full: bool = True
    random: int = Field(0, ge=0, le=100)
    scratch: bool = False

    def idle_beside(self, study: StudySpec) -> Mapping[str, str]:
        if self.scratch and study.start == "scratch":
            return {"scratch": "all nets of the final table start from fresh weights already"}
        return {}


class FinishPlugin(Plugin):
    """``finish``: the strategy that trains the winners; any strategy will do, whatever the search used.

    ``seeds``: how many times each net is trained, for a mean and an interval, each time with a seed that neither the
    search nor its finalists had. ``finalists``: so many of the best-scored candidates, and the uniform one, are trained
    for ``finalist_epochs`` first, and the best of them on the validation images is the winner; 1 takes the best score
    at its word. Lists name rounds: ``finalists: [12, 4]`` with ``finalist_epochs: [3, 10]`` trains twelve and the
    uniform one for 3 epochs, then the best four and it for 10. ``finalist_distance`` (0..1) keeps the best-scored that
    far from one another: the mean difference of their widths, each as a share of its list of choices. ``start``: which
    weights all these trainings go on from: ``scratch`` draws fresh ones, ``inherited`` takes what the search's strategy
    has for the widths (metapruning: what its PruningNet writes, the full net among them), whatever ``name`` trains by;
    left out, it is inherited where ``name`` is that strategy itself and it has any.
    """

    package: ClassVar[str] = "kdsearch.strategies"

    options: StrategyOptions = Field(validation_alias=OPTIONS)
    start: Start | None = None
    seeds: int = Field(1, ge=1, le=100)
    controls: Controls = Controls()
    finalists: tuple[Annotated[int, Field(ge=1, le=100)], ...] = (1,)
    finalist_epochs: tuple[Annotated[int, Field(ge=1, le=1_000_000)], ...] = (3,)
    finalist_distance: float = Field(0.0, ge=0, le=1)

    @field_validator("finalists", "finalist_epochs", mode="before")
    @classmethod
    def _one_round(cls, given: Any) -> Any:
        rounds = given if isinstance(given, list | tuple) else (given,)
        if any(isinstance(each, bool) for each in rounds):
            raise ValueError("must be whole numbers, not true or false")
        return rounds

    @model_validator(mode="after")
    def _rounds_fit(self) -> Self:
        sizes = self.finalists
        if not sizes or len(sizes) != len(self.finalist_epochs):
            counts = f"got {len(sizes)} and {len(self.finalist_epochs)}"
            raise ValueError(f"finalists and finalist_epochs must name as many rounds ({counts})")
        if any(later <= before for before, later in itertools.pairwise(self.finalist_epochs)):
            raise ValueError(f"finalist_epochs must rise from round to round (got {list(self.finalist_epochs)})")
        if any(later >= before for before, later in itertools.pairwise(sizes)):
            raise ValueError(f"finalists must fall from round to round (got {list(sizes)})")
        if len(sizes) > 1 and sizes[-1] == 1:
            raise ValueError(
                f"finalists must end with 2 or more: the last round chooses the winner (got {list(sizes)})"
            )
        return self

    @property
    def rounds(self) -> tuple[tuple[int, int], ...]:
        """(candidates, epochs) of each round of finalists; none where the best score is taken at its word."""
        return () if self.finalists == (1,) else tuple(zip(self.finalists, self.finalist_epochs, strict=True))

    @property
    def trained_per_budget(self) -> int:
        """How many trainings of the final table each budget asks for: of its winner and its controls."""
        controls = self.controls
        return self.seeds * (1 + controls.uniform + controls.scratch) + controls.random

    def idle(self) -> Mapping[str, str]:
        if self.rounds:
            return {}
        return dict.fromkeys(("finalist_epochs", "finalist_distance"), "finalists: 1 trains none")
