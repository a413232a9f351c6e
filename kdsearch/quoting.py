"""Command lines as messages print them: whoever pastes one into a shell runs what was meant."""

from __future__ import annotations

import shlex
from pathlib import Path


def say_command(name: str, *words: str | Path) -> str:
    """``kdsearch NAME WORDS``, quoted for a shell; a ``Path`` that begins with a dash stays one."""
    return " ".join(["kdsearch", name, *(shlex.quote(_keep_path(word)) for word in words)])


def _keep_path(word: str | Path) -> str:
    return f"./{word}" if isinstance(word, Path) and str(word).startswith("-") else str(word)
