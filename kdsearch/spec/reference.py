"""Every key of a study with its default and what it may be, made from the option classes themselves; no torch here."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic.fields import FieldInfo

from kdsearch import registry
from kdsearch.errors import SpecError
from kdsearch.spec.errors import unknown
from kdsearch.spec.limits_sections import Bound
from kdsearch.spec.plugins import Plugin
from kdsearch.spec.reading import sections_in
from kdsearch.spec.sections import Recipe, Section
from kdsearch.spec.study_spec import StudySpec

_PLAIN = {int: "a whole number", float: "a number", bool: "true or false", str: "text", Path: "a path"} | {
    type(None): "null",
    Bound: "a share such as 50% or a number such as 300M",
}
_SIGNS = (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<"))


@dataclass(frozen=True, slots=True)
class Entry:
    """A section or a plug-in's options: where it stands, what it is for, and (key, what it may be, default) of each."""

    title: str
    about: str
    rows: tuple[tuple[str, str, str], ...]


def list_sections() -> list[str]:
    """The keys of a study under which options stand, in its order."""
    return [key for key, field in StudySpec.model_fields.items() if any(sections_in(field.annotation))]


def list_entries(section: str | None = None) -> list[Entry]:
    """All entries in the order of a study, or those of one of its sections.

    Raises:
        SpecError: there is no such section.
    """
    known = list_sections()
    if section is not None and section not in known:
        raise SpecError(unknown("section", section, known))
    found = [] if section else [_entry("a study", StudySpec, StudySpec.model_fields)]
    told: set[type[Section]] = set()
    for key in [section] if section else known:
        for kind in sections_in(StudySpec.model_fields[key].annotation):
            found += _entries(key, kind, told)
    if section in (None, "strategy", "finish"):
        found += _entries("recipe", Recipe, told)
    return found


def write_reference(section: str | None = None) -> str:
    """The entries as Markdown."""
    return "\n\n".join(_write(entry) for entry in list_entries(section)) + "\n"


def _entries(title: str, kind: type[Section], told: set[type[Section]]) -> Iterator[Entry]:
    """The entries of a section, and of the sections inside it that were not listed before."""
    if kind in told or kind is Bound:
        return
    told.add(kind)
    own = {key: field for key, field in kind.model_fields.items() if key != "options"}
    yield _entry(title, kind, own)
    yield from _nested(title, own, told)
    if issubclass(kind, Plugin) and title != "finish":  # finish takes the strategies that were listed under strategy
        for name in registry.available(kind.package):
            options: type[Section] = registry.find(kind.package, name).Options  # type: ignore[attr-defined]
            shared = Recipe.model_fields if issubclass(options, Recipe) else {}
            fields = {key: field for key, field in options.model_fields.items() if key not in shared}
            more = "" if not shared else "\n\nBeside these, all options of the recipe below."
            yield _entry(f"{title}: {{name: {name}}}", options, fields, more)
            yield from _nested(title, fields, told)


def _nested(title: str, fields: dict[str, FieldInfo], told: set[type[Section]]) -> Iterator[Entry]:
    for key, field in fields.items():
        for kind in sections_in(field.annotation):
            if kind.model_fields:
                yield from _entries(f"{title}.{key}", kind, told)


def _entry(title: str, kind: type[Section], fields: dict[str, FieldInfo], more: str = "") -> Entry:
    rows = tuple((key, _say_type(field), _say_default(field)) for key, field in fields.items())
    about = inspect.getdoc(kind) or ""
    return Entry(title, ("It has no options." if about == "None." else about) + more, rows)


def _write(entry: Entry) -> str:
    about = entry.about.replace("``", "`")
    rows = "\n".join(f"| `{key}` | {may.replace('|', chr(92) + '|')} | {default} |" for key, may, default in entry.rows)
    table = f"| key | may be | default |\n|---|---|---|\n{rows}" if rows else ""
    return "\n\n".join(part for part in (f"## {entry.title}", about, table) if part)


def _say_default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    default = field.get_default(call_default_factory=True)
    if isinstance(default, Section) and not isinstance(default, Plugin):
        return "see below"
    if isinstance(default, Plugin):
        default = {"name": default.name}
    elif isinstance(default, tuple):
        default = [item.model_dump(mode="json") if isinstance(item, Section) else item for item in default]
    said = yaml.safe_dump(default, default_flow_style=True, width=10_000).removesuffix("...\n").strip()
    return f"`{said}`"


def _say_type(field: FieldInfo) -> str:
    said = _say_annotation(field.annotation)
    bare = said.removesuffix(" or null")
    return " ".join([bare, *_limits(field.metadata)]) + said[len(bare) :]


def _say_annotation(annotation: Any) -> str:
    """A type in the words of whoever writes YAML."""
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    inner, origin = typing.get_args(annotation), typing.get_origin(annotation)
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" for value in inner)
    if origin is typing.Annotated:
        return " ".join([_say_annotation(inner[0]), *_limits(inner[1:])])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(_say_annotation(each) for each in inner))
    if origin is tuple:
        return f"a list, each {_say_annotation(inner[0])}"
    return "names and values" if origin in (dict, Mapping) else "a section"


def _limits(metadata: Iterable[Any]) -> Iterator[str]:
    for each in metadata:
        if isinstance(each, FieldInfo):
            yield from _limits(each.metadata)
        yield from (f"{sign} {getattr(each, name):.10g}" for name, sign in _SIGNS if hasattr(each, name))
