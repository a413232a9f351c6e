"""The seeds of a study's last trainings: none that helped to choose a winner is one that it is judged by.

All that a search trains, a PruningNet or its candidates one by one, has the study's own seed (``Context.seed``).
"""

from __future__ import annotations

_FINALISTS = 1000
_STUDENTS = 2000  # and as many after it as ``finish.seeds`` asks for


def finalist_seed(study_seed: int) -> int:
    """With which finalists are trained in every round: a candidate that won the search for its seed's sake loses it."""
    return study_seed + _FINALISTS


def student_seeds(study_seed: int, count: int) -> tuple[int, ...]:
    """With which the nets of the final table are trained, each above the two that chose the winners.

    A winner judged by the very training that it was chosen for would keep that training's luck.
    """
    first = study_seed + _STUDENTS
    return tuple(range(first, first + count))
