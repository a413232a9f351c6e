"""A YAML document -> one section of options, strict, with every mistake reported at once; no torch here."""

from __future__ import annotations

import os
import re
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from kdsearch.errors import SpecError, one_line
from kdsearch.spec.errors import describe, shown
from kdsearch.spec.plugins import Plugin
from kdsearch.spec.sections import Section
from kdsearch.spec.yaml import Document, Key

S = TypeVar("S", bound=Section)
T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def read_section(kind: type[S], document: Document) -> S:
    """The document as a section of this kind.

    Raises:
        SpecError: one line for every mistake, ``file:line: key: what is wrong``, in the order of the file.
    """
    found: S | None = None
    mistakes = list(document.mistakes)
    try:
        found = kind.model_validate(document.data)
    except ValidationError as error:
        mistakes += describe(error, document, lambda key: known_keys(kind, document.data, key))
    if mistakes or found is None:
        raise SpecError("\n".join(one_line(f"{place}: {what}") for place, what in sorted(mistakes, key=_by_line)))
    return found


def known_keys(kind: type[Section], data: Any, key: Key) -> tuple[str, ...]:
    """The keys that the section at ``key`` may have, in a document of ``kind`` whose data are ``data``."""
    for part in key:
        if isinstance(part, str):
            kind = next(sections_in(_fields(kind, data)[part].annotation))
        data = data[part]
    return tuple(_fields(kind, data))


def absolute(value: T) -> T:
    """The options with every path made absolute: a relative one is meant from the current directory."""
    changed: Any = value
    if isinstance(value, Path):
        # pathlib's expanduser raises for an unknown ~name
        changed = Path.cwd() / os.path.expanduser(value)
    elif isinstance(value, tuple):
        changed = tuple(absolute(item) for item in value)
    elif isinstance(value, Section):
        changed = value.model_copy(update={name: absolute(inner) for name, inner in value})
    return typing.cast("T", changed)


def check_name(name: str) -> str:
    """The name, if it can be a file's and a directory's.

    Raises:
        ValueError: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"must be at most 100 letters, digits, '.', '_' and '-', no blanks (got {shown(name)})")
    return name


def _by_line(mistake: tuple[str, str]) -> tuple[bool, int, str]:
    place, what = mistake
    line = place.rsplit(":", 1)[-1]
    return place.startswith("--set "), int(line) if line.isdecimal() else 0, what


def _fields(kind: type[Section], data: Any) -> Mapping[str, FieldInfo]:
    return kind.fields_of(data) if issubclass(kind, Plugin) else kind.model_fields


def sections_in(annotation: Any) -> Iterator[type[Section]]:
    """The kinds of section that a field of this type may hold."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from sections_in(inner)
