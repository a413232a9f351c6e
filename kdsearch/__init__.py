"""Finds the best compact student of a CNN under a budget, trains it and exports it for a mobile CPU.

What a notebook needs: ``load_spec``, ``run_study``, ``resume_study``, ``dry_run``, ``plan``, ``find_widths``,
``export_student``, ``write_html`` and ``KdsearchError``. A name is imported when it is first used, so that
``import kdsearch`` takes no time.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kdsearch.errors import KdsearchError
    from kdsearch.exporters.base import export_student
    from kdsearch.forecast import dry_run
    from kdsearch.models.width_finding import find_widths
    from kdsearch.planning import plan
    from kdsearch.report.html import write_html
    from kdsearch.spec import StudySpec, load_spec
    from kdsearch.study import resume_study, run_study

__version__ = "0.1.0"  # the only place: a bare checkout has no package metadata

_HOMES = {
    "KdsearchError": "errors",
    "StudySpec": "spec",
    "dry_run": "forecast",
    "export_student": "exporters.base",
    "find_widths": "models.width_finding",
    "load_spec": "spec",
    "plan": "planning",
    "resume_study": "study",
    "run_study": "study",
    "write_html": "report.html",
}

__all__ = [
    "KdsearchError",
    "StudySpec",
    "dry_run",
    "export_student",
    "find_widths",
    "load_spec",
    "plan",
    "resume_study",
    "run_study",
    "write_html",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'kdsearch' has no attribute '{name}'")
    return getattr(importlib.import_module(f"kdsearch.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
