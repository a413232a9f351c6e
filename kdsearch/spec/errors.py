"""What pydantic found wrong -> one line a mistake, in the words of whoever wrote the study; no torch here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from kdsearch.errors import did_you_mean, one_line
from kdsearch.spec.yaml import Document, Key, dotted

Allowed = Callable[[Key], Sequence[str]]

# a key that pydantic's places hold where a plug-in's own options begin; no user writes or sees it
OPTIONS = "(options)"
# likewise the two ways to write an amount: a number, or a range to search
NUMBER, RANGE = "(number)", "(range)"
_UNWRITTEN = (OPTIONS, NUMBER, RANGE)

_LONGEST_SHOWN = 60

# keys of older studies, and how the same is said now
_MOVED: Mapping[Key, str] = {
    ("strategy", "prune"): "is a section of the study now: pruner: {name: median}",
    ("finish", "prune"): "is a section of the study now, of the search alone: pruner: {name: median}",
}

_WORDS: Mapping[str, str] = {
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text; put it in quotes",
    "path_type": "must be a path",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a section of its own: 'key: value' lines",
    "model_type": "must be a section of its own: 'key: value' lines",
    "none_required": "must be null",
    "missing": "is missing",
}


def describe(error: ValidationError, document: Document, allowed: Allowed) -> list[tuple[str, str]]:
    """(place, line) for every mistake; the branches of a union that all failed are one mistake.

    ``allowed``: the keys that the section at a key may have.
    """
    found: dict[tuple[str, Key], list[str]] = {}
    for item in error.errors(include_url=False):
        for key, what in _of_the_whole(item, document) or [_one(item, document, allowed)]:
            said = found.setdefault((document.place(key), key), [])
            if what not in said:
                said.append(what)
    return [(place, f"{dotted(key)}: {_join(said)}" if key else _join(said)) for (place, key), said in found.items()]


def _of_the_whole(item: Any, document: Document) -> list[tuple[Key, str]]:
    """What a check of the whole study found, a line each, at the key that the line begins with if it is written."""
    if item["loc"] or item["type"] != "value_error":
        return []
    found = []
    for line in str(item["ctx"]["error"]).splitlines():
        named, _, what = line.partition(": ")
        key: Key = tuple(named.split("."))
        found.append((key, what) if key in document.places else ((), line))
    return found


def _one(item: Any, document: Document, allowed: Allowed) -> tuple[Key, str]:
    loc: Key = tuple(part for part in item["loc"] if part not in _UNWRITTEN)
    kind: str = item["type"]
    if kind == "missing":
        return loc, _WORDS[kind]
    # the rest of the place was not written by the user: pydantic names a branch of a union there
    key = loc
    while key and key not in document.places:
        key = key[:-1]
    if kind == "extra_forbidden" and loc in _MOVED:
        return loc, _MOVED[loc]
    if kind == "extra_forbidden":
        return loc, unknown("key", str(loc[-1]), allowed(loc[:-1])) + _hint_at_renaming(loc, document)
    return key, _sentence(kind, item)


def _hint_at_renaming(key: Key, document: Document) -> str:
    """How to leave the file's options behind, where only their plug-in's name was changed on the command line."""
    section, name = key[:-1], (*key[:-1], "name")
    renamed = section and document.places.get(name, "").startswith("--set ")
    if not renamed or document.place(key).startswith("--set "):
        return ""
    return f"; --set '{dotted(section)}={{name: NAME}}' leaves the file's options behind"


def _sentence(kind: str, item: Any) -> str:
    limits: Mapping[str, Any] = item.get("ctx", {})
    if kind == "literal_error":
        return f"must be {limits['expected']}{_got(item['input'])}"
    for name, sign in (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<")):
        if kind.startswith(("greater", "less")) and name in limits:
            return f"must be {sign} {limits[name]:g}{_got(item['input'])}"
    if kind in _WORDS:
        return f"{_WORDS[kind]}{_got(item['input'])}"
    if kind == "value_error":
        return str(limits["error"])
    message = str(item["msg"])
    return message[:1].lower() + message[1:]


def _got(value: object) -> str:
    return f" (got {shown(value)})"


def shown(value: object) -> str:
    """A value as it stands in YAML, shortened."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a section"
    text = one_line(str(value))
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."


def unknown(kind: str, name: str, known: Sequence[str]) -> str:
    """What to say of a name that does not exist: the nearest known one, or else all of them."""
    said = f"unknown {kind}" if kind == "key" else f"unknown {kind} '{shown(name)}'"
    return said + (did_you_mean(name, known) or f"; known: {', '.join(known) or 'none'}")


def _join(said: Sequence[str]) -> str:
    if len(said) == 1:
        return said[0]
    tails = {text[text.rfind(" (got ") :] for text in said if " (got " in text}
    if len(tails) != 1 or not all(text.startswith("must be ") for text in said):
        return "; or ".join(said)
    tail = tails.pop()
    return "must be " + " or ".join(text.removesuffix(tail).removeprefix("must be ") for text in said) + tail
