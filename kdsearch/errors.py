"""The errors that a user can cause, each with the exit code of the command that met it, and what helps with a typo."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class KdsearchError(Exception):
    """Something went wrong that one line explains; the command ends with ``exit_code``."""

    exit_code = 1


class SpecError(KdsearchError):
    """The study file, an option or the command line is wrong; one line a mistake."""

    exit_code = 2


class DataError(KdsearchError):
    """A data set is missing, incomplete or broken; the message names the file."""

    exit_code = 2


class LeakError(KdsearchError):
    """What learns without data tried to read some; the message names the file and what would have read it."""


class InfeasibleError(KdsearchError):
    """No candidate meets the limits; the message names the nearest one."""

    exit_code = 2


class SpaceExhausted(KdsearchError):  # noqa: N818  (an ending, as StopIteration is, not a mistake)
    """Every candidate inside the limits has been tried; the search ends with what it has."""

    exit_code = 3


class WidthError(KdsearchError):
    """A net cannot be cropped; the message names the module and the reason."""

    exit_code = 2


class StoreError(KdsearchError):
    """A run directory is missing, in use by another process, or damaged."""


class ExportError(KdsearchError):
    """An exported file does not compute what the net computes, or cannot be loaded; it has been removed."""


def first_line(error: BaseException, most: int = 160) -> str:
    """The beginning of what somebody else's code raised; its kind where it says nothing, or fails to."""
    try:
        lines = str(error).strip().splitlines()
    except Exception:  # noqa: BLE001  (an error that cannot be shown shall not hide the one line that is due)
        lines = []
    return (lines[0] if lines else type(error).__name__)[:most]


def find_near(name: str, known: Iterable[str], *, most: int = 1) -> list[str]:
    """The known names that look most like this one, the nearest first; empty if none does."""
    return difflib.get_close_matches(name, [*known], n=most)


def did_you_mean(name: str, known: Iterable[str], *, most: int = 1) -> str:
    """The end of a message on an unknown name: ``; did you mean 'x'?``; empty if no known name is near."""
    near = " or ".join(f"'{each}'" for each in find_near(name, known, most=most))
    return f"; did you mean {near}?" if near else ""


def one_line(text: str) -> str:
    """The text with line breaks and other control characters written as escapes."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def printable(text: str) -> str:
    """The text with characters that steer a terminal spelled out, as names of files may hold any; lines stay lines."""
    return "\n".join(map(one_line, text.split("\n")))
