"""predict: what an exported student says of images, a line each."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdsearch.cli.exporting import choose_student
from kdsearch.cli.finding import find_run
from kdsearch.cli.output import remark, say, say_json
from kdsearch.errors import DataError, SpecError, one_line
from kdsearch.quoting import say_command

if TYPE_CHECKING:
    from kdsearch.study.predicting import Prediction, Predictor

_WEIGHTS = "weights"  # a student's file that is no program


def predict(given: argparse.Namespace) -> int:
    """Names what cannot be read and does the rest; 1 if there was anything of that kind."""
    model = find_model(given.student, given.named)
    from kdsearch.study.predicting import load_predictor  # seconds of imports, not for a name mistyped

    predictor = load_predictor(model)
    broken: dict[str, str] = {}
    top = min(given.top, len(predictor.classes))
    if given.json:
        found = [_describe(each, top) for each in _predict_all(predictor, given.images, broken)]
        say_json({"model": str(model), "predictions": found, "broken": broken})
    else:
        write = _begin_csv(top) if given.csv else lambda each: say(_say(each, top))
        for each in _predict_all(predictor, given.images, broken):
            write(each)
            sys.stdout.flush()  # who reads on need not wait for the last image
    return 1 if broken else 0


def find_model(text: str, student: str | None) -> Path:
    """The exported file that is meant: it itself, or the first of the run's winner or of the ``student`` with that id.

    Raises:
        SpecError: no such file, run or student, or one that was not exported.
        StoreError: the run has not finished, or is damaged.
    """
    if Path(text).is_file():
        if student is not None:
            raise SpecError(f"{text}: is one student's file; --student is for a run")
        return Path(text)
    from kdsearch.records import RunPaths
    from kdsearch.rundir.store import read_summary

    run_dir = find_run(text)
    row = choose_student(read_summary(RunPaths(run_dir))["students"], student, run_dir)
    files = [run_dir / path for name, path in row["files"].items() if name != _WEIGHTS]
    if not files:
        export = say_command("export", run_dir, "--student", str(row["id"]), "--to", "DIR")
        raise SpecError(f"{run_dir}: {row['id']} was not exported; name the model that this writes: {export}")
    return files[0]


def _predict_all(predictor: Predictor, given: Sequence[Path], broken: dict[str, str]) -> Iterator[Prediction]:
    """In the order of what was given; what cannot be read is said at once, and noted in ``broken``."""
    from kdsearch.study.predicting import find_images

    for place in given:
        paths = find_images(place)
        if not paths:
            broken[str(place)] = f"{place}: holds no image"
            remark(broken[str(place)])
        for path in paths:
            try:
                yield predictor.predict(path)
            except DataError as error:
                broken[str(path)] = str(error)
                remark(str(error))


def _describe(each: Prediction, top: int) -> Mapping[str, Any]:
    ranked = [{"label": label, "probability": chance} for label, chance in each.ranked[:top]]
    return {"file": str(each.path), **ranked[0]} | ({"top": ranked} if top > 1 else {})


def _say(each: Prediction, top: int) -> str:
    from kdsearch.report.words import say_percent

    return f"{one_line(str(each.path))}  " + ", ".join(
        f"{label} {say_percent(chance)}" for label, chance in each.ranked[:top]
    )


def _begin_csv(top: int) -> Callable[[Prediction], object]:
    """Writes the head, and gives back what writes a line."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    numbered = (
        ["label", "probability"] if at == 1 else [f"label_{at}", f"probability_{at}"] for at in range(1, top + 1)
    )
    writer.writerow(["file", *(name for pair in numbered for name in pair)])
    # a spreadsheet reads a cell that begins with one of these as a formula
    named = lambda path: f"./{path}" if str(path)[:1] in "=+-@" else path  # noqa: E731
    return lambda each: writer.writerow([named(each.path), *(cell for pair in each.ranked[:top] for cell in pair)])
