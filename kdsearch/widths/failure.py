"""Where a cropped net failed, as its proof tells it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Failure:
    """Where a cropped net failed (modules from the outside in), after how many steps, and why."""

    path: tuple[str, ...]
    steps: int
    reason: str
    groups: frozenset[int] = frozenset()

    @property
    def where(self) -> str:
        """The innermost module that failed."""
        return next((module for module in reversed(self.path) if module), "the net")


def first_line(error: BaseException) -> str:
    """The beginning of what somebody else's code raised."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:160]
