"""What a net can be said to be, as a card and a study say it of a teacher: its images, its classes, its file's hash."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from kdsearch.spec.errors import shown

_SHA256 = re.compile(r"[0-9a-f]{64}")


def _check_hash(given: str) -> str:
    if not _SHA256.fullmatch(given):
        raise ValueError(f"must be 64 hexadecimal digits, in small letters (got {shown(given)})")
    return given


def _check_names(given: tuple[str, ...] | int) -> tuple[str, ...] | int:
    if isinstance(given, tuple):
        if twice := sorted({name for name in given if given.count(name) > 1}):
            raise ValueError(f"names '{twice[0]}' twice; keep one of them")
        if len(given) < 2:
            raise ValueError(f"must name two or more (got {len(given)})")
    return given


Length = Annotated[int, Field(ge=1, le=1_000_000)]
Sha256 = Annotated[str, AfterValidator(_check_hash)]
Classes = Annotated[tuple[str, ...] | Annotated[int, Field(ge=2, le=1_000_000)], AfterValidator(_check_names)]
"""Names in the order of a net's outputs, or how many there are where that order is the task's."""
