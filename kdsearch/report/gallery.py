"""What a run's trainings looked like, in the page itself: the first evaluations beside the last; no torch here."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from kdsearch.records import RunPaths
from kdsearch.report.page import Gallery, Picture
from kdsearch.rundir.pictures import list_pictures

_MOST_ROWS, _MOST = 6, 4  # what keeps a page below ten megabytes
_NOTE = (
    "One column for each class as the teacher sees it, under each image how sure it is; a pink cell is a class without "
    "an image. Every evaluation lies in the run's folder pictures"
)


def show_pictures(paths: RunPaths) -> Gallery | None:
    """The pictures of the first trainings and trials that have any; None where none has."""
    found = list_pictures(paths)
    shown = [(name, _choose(files)) for name, files in found.items() if files][:_MOST_ROWS]
    if not shown:
        return None
    rest = f"; {len(found) - len(shown)} more trainings and trials too" if len(found) > len(shown) else ""
    rows = tuple((name.replace("_", " "), tuple(map(_embed, files))) for name, files in shown)
    return Gallery("Generated images", rows, f"{_NOTE}{rest}.")


def _choose(files: Sequence[Path]) -> list[Path]:
    """The first, the last, and some between."""
    if len(files) <= _MOST:
        return [*files]
    return [files[round(at * (len(files) - 1) / (_MOST - 1))] for at in range(_MOST)]


def _embed(file: Path) -> Picture:
    content = base64.b64encode(file.read_bytes()).decode()
    return Picture(f"evaluation {int(file.stem)}", f"data:image/png;base64,{content}")
