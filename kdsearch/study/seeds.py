"""The seeds of a study's last trainings: none that helped to choose a winner is one that it is judged by.

All that a search trains, a PruningNet or its candidates one by one, has the study's own seed (``Context.seed``).
"""

from __future__ import annotations

_FINALISTS = 1000
_STUDENTS = 2000  # and as many after it as ``finish.seeds`` asks for


def finalist_seed(study_seed: int) -> int:
    """The seed of finalists in every round: not the search's, whose luck a candidate shall not bring along."""
    return study_seed + _FINALISTS


def student_seeds(study_seed: int, count: int) -> tuple[int, ...]:
    """The seeds of the nets of the final table; none is one of the two that chose the winners.

    A winner judged by the very training that it was chosen for would keep that training's luck.
    """
    first = study_seed + _STUDENTS
    return tuple(range(first, first + count))
