"""Finds the best compact student of a CNN under a budget, trains it and exports it for a mobile CPU.

What a notebook needs: ``launch``, ``resume`` and ``open_result``, which give a ``Result`` and show progress; then
``load_spec``, ``run_study``, ``resume_study``, ``dry_run``, ``plan``, ``find_widths``, ``export_student``,
``load_student``, ``write_html`` and ``KdsearchError``. A name is imported when it is first used, so that
``import kdsearch`` takes no time.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kdsearch.errors import KdsearchError
    from kdsearch.exporters.base import export_student
    from kdsearch.report.html import write_html
    from kdsearch.spec.study_spec import StudySpec, load_spec
    from kdsearch.study.forecast import dry_run
    from kdsearch.study.loading import load_student
    from kdsearch.study.planning import plan
    from kdsearch.study.result import Result, launch, open_result, resume
    from kdsearch.study.run import resume_study, run_study
    from kdsearch.widths.finding import find_widths

__version__ = "0.1.0"  # the only place: a bare checkout has no package metadata

_HOMES = {
    "KdsearchError": "errors",
    "Result": "study.result",
    "StudySpec": "spec.study_spec",
    "dry_run": "study.forecast",
    "export_student": "exporters.base",
    "find_widths": "widths.finding",
    "launch": "study.result",
    "load_spec": "spec.study_spec",
    "load_student": "study.loading",
    "open_result": "study.result",
    "plan": "study.planning",
    "resume": "study.result",
    "resume_study": "study.run",
    "run_study": "study.run",
    "write_html": "report.html",
}

__all__ = [
    "KdsearchError",
    "Result",
    "StudySpec",
    "dry_run",
    "export_student",
    "find_widths",
    "launch",
    "load_spec",
    "load_student",
    "open_result",
    "plan",
    "resume",
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
