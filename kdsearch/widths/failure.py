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
