"""YAML text -> plain data that remembers where each value was written; no torch here.

The reader takes the part of YAML that a study needs and says so about the rest: one document, no tags, no anchors or
aliases, no repeated keys. Plain scalars are read by YAML 1.2's rules, so ``1e-3`` is a number and ``no`` is text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from kdsearch.errors import SpecError

Key = tuple[str | int, ...]

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 24
_LONGEST_NUMBER = 40

_CONSTANTS: Mapping[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+(_[0-9]+)*")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


@dataclass(slots=True)
class Document:
    """A study as plain data.

    ``places``: key to where it was written (``file:12``); ``mistakes``: pairs of such a place and what is wrong there.
    """

    data: Any
    places: dict[Key, str] = field(default_factory=dict)
    mistakes: list[tuple[str, str]] = field(default_factory=list)

    def place(self, key: Key) -> str:
        """Where the key, or else the nearest section around it, was written."""
        while key and key not in self.places:
            key = key[:-1]
        return self.places.get(key, "")


def read_scalar(text: str) -> object:
    """The value of a plain scalar by YAML 1.2's core rules; underscores may group digits."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if len(text) > _LONGEST_NUMBER:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def read_yaml(text: str, label: str, *, numbered: bool = True) -> Document:
    """The one document in ``text``; ``label`` is the file's name in messages, followed by the line if ``numbered``.

    Raises:
        SpecError: the text is not YAML at all.
    """
    if len(text) > MAX_CHARACTERS:
        raise SpecError(f"{label}: has {len(text):,} characters; a study has at most {MAX_CHARACTERS:,}")
    try:
        return _Reader(text, label, numbered).read()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{label}:{mark.line + 1}:{mark.column + 1}" if mark and numbered else label
        raise SpecError(f"{place}: not valid YAML: {error.problem or error.context}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, int(error.position)) + 1
        place = f"{label}:{line}" if numbered else label
        raise SpecError(f"{place}: character {error.character:#06x} is not allowed in YAML") from None


class _Reader:
    """Builds data from the parser's events: ``yaml.compose`` would expand aliases and recurse without a bound."""

    def __init__(self, text: str, label: str, numbered: bool) -> None:
        self.label = label
        self.numbered = numbered
        self.document = Document(None)
        # Any: an event of one kind has fields that the others lack, and the stubs know only what all have
        self.events: Iterator[Any] = iter(yaml.parse(text, Loader=yaml.SafeLoader))

    def read(self) -> Document:
        self.document.places[()] = f"{self.label}:1" if self.numbered else self.label
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                self.document.data = self._value(next(self.events), ())
                break
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._blame(event, "a second document begins here; a study is one")
                break
        return self.document

    def _place(self, event: Any) -> str:
        return f"{self.label}:{event.start_mark.line + 1}" if self.numbered else self.label

    def _blame(self, event: Any, what: str) -> None:
        self.document.mistakes.append((self._place(event), what))

    def _value(self, event: Any, key: Key) -> Any:
        self.document.places.setdefault(key, self._place(event))
        if isinstance(event, yaml.AliasEvent):
            self._blame(event, f"alias *{event.anchor} is not supported; write the value out")
            return None
        self._check_node(event)
        if len(key) >= MAX_DEPTH and not isinstance(event, yaml.ScalarEvent):
            raise SpecError(
                f"{self.document.places[key]}: nested more than {MAX_DEPTH} levels deep, and at most so many are read"
            )
        if isinstance(event, yaml.SequenceStartEvent):
            return self._items(key)
        if isinstance(event, yaml.MappingStartEvent):
            return self._pairs(key)
        return read_scalar(event.value) if event.style is None else _join_surrogates(event.value)

    def _check_node(self, event: Any) -> None:
        if event.tag is not None:
            self._blame(event, f"tag {event.tag} is not supported; remove it")
        if event.anchor is not None:
            self._blame(event, f"anchor &{event.anchor} is not supported; remove it")

    def _items(self, key: Key) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self._value(event, (*key, len(items))))
        return items

    def _pairs(self, key: Key) -> dict[str, Any]:
        pairs: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            name = self._name(event, key)
            inner = (*key, name)
            if name in pairs:
                first = self.document.places[inner].rsplit(":", 1)[-1]
                self._blame(event, f"{dotted(inner)}: duplicate key (first on line {first})")
                self._value(next(self.events), (*key, f"{name} (again)"))
                continue
            self.document.places[inner] = self._place(event)
            pairs[name] = self._value(next(self.events), inner)
        return pairs

    def _name(self, event: Any, key: Key) -> str:
        if isinstance(event, yaml.ScalarEvent):
            self._check_node(event)
            return _join_surrogates(event.value)
        self._blame(event, "a key must be a single word")
        self._value(event, (*key, "?"))
        return "?"


def _join_surrogates(text: str) -> str:
    """Text with the two escapes that JSON writes for one character joined; a half without its other half is ``?``."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\ufffd", "?")


def dotted(key: Key) -> str:
    """A key as a person writes it: ``export[0].lite``."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
