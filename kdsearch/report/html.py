"""report.html: what a run found, in one file that needs nothing else; no torch here."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from kdsearch.errors import StoreError
from kdsearch.records import Outcome
from kdsearch.report import parts
from kdsearch.report.figures import draw_figures
from kdsearch.report.reading import read_run

FILE_NAME = "report.html"


def write_html(run_dir: Path) -> Path:
    """The path of the report that was written into the run directory, from its summary and its ledger.

    Raises:
        StoreError: the directory holds no readable summary of schema 1.
    """
    target = run_dir / FILE_NAME
    page = render(read_summary(run_dir), ())
    fresh = target.with_suffix(".tmp")
    try:
        fresh.write_text(page, encoding="utf-8")
        fresh.replace(target)
    except OSError as error:
        raise StoreError(f"{target}: the report was not written: {error.strerror}") from error
    return target


def render(summary: Mapping[str, Any], outcomes: Sequence[Outcome]) -> str:
    """The whole page. Nothing in it reaches out: its policy forbids the browser every request."""
    run = read_run(summary, outcomes)
    style, script = _read("style.css"), _read("page.js")
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{_digest(script)}'"
    body = "".join(
        (
            parts.write_head(run),
            parts.write_answers(run),
            parts.write_table(run),
            parts.write_figures(draw_figures(run)),
            parts.write_widths(run),
            parts.write_files(run),
            parts.write_origin(run),
            parts.write_commands(run),
        )
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"><link rel="icon" href="data:,">'
        f"<title>{escape(run.name)}: kdsearch report</title><style>{style}</style></head>"
        f'<body>{body}<div id="tip" role="status"></div><script>{script}</script></body></html>\n'
    )


def read_summary(run_dir: Path) -> dict[str, Any]:
    """summary.json of a run.

    Raises:
        StoreError: it is missing, damaged or of another schema.
    """
    path = run_dir / "summary.json"
    try:
        summary: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StoreError(f"{path}: missing; is {run_dir} the directory of a run that got past its plan?") from None
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: cannot be read: {error}") from None
    if not isinstance(summary, dict) or summary.get("schema") != 1:
        raise StoreError(f"{path}: needs schema 1; another version of kdsearch wrote it")
    return summary


def _read(name: str) -> str:
    return resources.files("kdsearch.report").joinpath(name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
