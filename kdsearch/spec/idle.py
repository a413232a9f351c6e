"""Options of a study that have no effect beside the others: no mistake, but whoever wrote one should hear of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kdsearch.spec.sections import Section
from kdsearch.spec.study_spec import StudySpec
from kdsearch.spec.yaml import Document, Key, dotted


class _Idle(NamedTuple):
    """An option of the section at ``key`` that does nothing, and why."""

    section: Section
    key: Key
    name: str
    why: str


def idle_options(spec: StudySpec, document: Document) -> list[str]:
    """One line for each option that was written and has no effect: ``file:line: key: has no effect: why``.

    A section that names every option, as the saved study of a run does, was not written by hand: of such a one only
    the options that differ from their defaults count.
    """
    found: dict[Key, str] = {}
    for idle in (*_for_search(spec), *_within(spec, spec, ())):
        key = (*idle.key, idle.name)
        if key not in found and _is_meant(idle, document):
            found[key] = f"{document.place(key)}: {dotted(key)}: has no effect: {idle.why}"
    return list(found.values())


def _is_meant(idle: _Idle, document: Document) -> bool:
    fields = type(idle.section).model_fields
    if (*idle.key, idle.name) not in document.places:
        return False
    if not all((*idle.key, name) in document.places for name in fields if name != "options"):
        return True
    return bool(getattr(idle.section, idle.name) != fields[idle.name].get_default(call_default_factory=True))


def _within(spec: StudySpec, section: Section, key: Key) -> Iterator[_Idle]:
    """What the sections themselves know to be idle, and what they are told of the whole study shows them."""
    for name, why in (*section.idle().items(), *section.idle_beside(spec).items()):
        yield _Idle(section, key, name, why)
    for name, value in section:
        inner = key if name == "options" else (*key, name)  # a plug-in's own options stand beside its name
        if isinstance(value, Section):
            yield from _within(spec, value, inner)
        elif isinstance(value, tuple):
            for number, item in enumerate(value):
                if isinstance(item, Section):
                    yield from _within(spec, item, (*inner, number))


def _for_search(spec: StudySpec) -> Iterator[_Idle]:
    """The options of ``finish`` that only a search has a use for."""
    why = f"only a search reads it; finish: {spec.finish.name} trains what it made"
    for name in sorted(spec.finish.options.for_search):
        yield _Idle(spec.finish.options, ("finish",), name, why)
