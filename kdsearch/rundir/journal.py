"""The lines of a journal: whether each is an entry, and none is there twice."""

from __future__ import annotations

import json
from pathlib import Path

from kdsearch.errors import StoreError
from kdsearch.quoting import say_command

_CREATES = (0, 4)  # Optuna's codes of entries that make a study and a trial


def check_journal(journal: Path) -> None:
    """Refuses a journal with lines that are no entries, or with a study or a trial that is there twice.

    A last line that is being written is left to whoever reads it.

    Raises:
        StoreError: it is such a journal, or cannot be read; the message names the line.
    """
    try:
        content = journal.read_bytes()
    except OSError as error:
        raise _unreadable(journal, error) from None
    met: dict[bytes, int] = {}
    lines = content.splitlines()
    for number, line in enumerate(lines, start=1):
        code = _read_code(line)
        if code is None and number < len(lines):
            remedy = f"to go on with what is before it: {say_command('resume', journal.parent)}"
            raise _damaged(journal, f"line {number} is no entry of a ledger", remedy)
        if code in _CREATES and met.setdefault(line, number) != number:
            raise _damaged(journal, f"line {number} repeats line {met[line]}", f"delete line {number}")


def _damaged(journal: Path, what: str, remedy: str) -> StoreError:
    return StoreError(f"{journal}: the ledger cannot be read: {what}; {remedy}")


def _unreadable(journal: Path, error: OSError) -> StoreError:
    why = (error.strerror or str(error)).lower()
    return StoreError(f"{journal}: the ledger cannot be read: {why}; it must be a file that you may write")


def _read_code(line: bytes) -> int | None:
    """What an entry does; None of a line that is none."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or not isinstance(entry.get("worker_id"), str):
        return None
    code = entry.get("op_code")
    return code if type(code) is int else None
