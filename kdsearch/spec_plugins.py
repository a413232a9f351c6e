"""The sections of a study that name a plug-in: ``{name: evolution, population: 20}``; no torch here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import Field, SerializationInfo, ValidationInfo, field_validator, model_serializer, model_validator
from pydantic.fields import FieldInfo

from kdsearch import registry
from kdsearch.sections import Section
from kdsearch.spec_errors import OPTIONS, unknown


class Plugin(Section):
    """A plug-in by name, and its own options, which stand beside the name in the study."""

    package: ClassVar[str]

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
        name = given.get("name")
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
        return {"name": None, **own, OPTIONS: rest}

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
        if "name" not in info.data:  # the name is wrong, which is said already
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


class SearcherPlugin(Plugin):
    """``search``: how candidates are drawn."""

    package: ClassVar[str] = "kdsearch.searchers"


class StrategyPlugin(Plugin):
    """``strategy``: how a candidate is scored."""

    package: ClassVar[str] = "kdsearch.strategies"


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
    random candidates of the same costs, one seed each.
    """

    uniform: bool = True
    full: bool = True
    random: int = Field(0, ge=0, le=100)


class FinishPlugin(Plugin):
    """``finish``: the strategy that trains the winners; any strategy will do, whatever the search used.

    ``seeds``: how many times each net is trained, for a mean and a spread. ``finalists``: so many of the best-scored
    candidates, and the uniform one, are trained for ``finalist_epochs`` first, and the best of them on the validation
    images is the winner; 1 takes the best score at its word.
    """

    package: ClassVar[str] = "kdsearch.strategies"

    seeds: int = Field(1, ge=1, le=100)
    controls: Controls = Controls()
    finalists: int = Field(1, ge=1, le=100)
    finalist_epochs: int = Field(3, ge=1)

    def idle(self) -> Mapping[str, str]:
        return {"finalist_epochs": "finalists: 1 trains none"} if self.finalists == 1 else {}
