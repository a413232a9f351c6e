"""Which run directory a word of the command line means."""

from __future__ import annotations

from pathlib import Path

from kdsearch.errors import SpecError, did_you_mean
from kdsearch.quoting import say_command
from kdsearch.rundir.taught import is_teach_run

RUNS = Path("runs")
_SPEC = "spec.json"


def find_run(text: str) -> Path:
    """The run directory of a study that ``text`` means: a path, or a name under runs/.

    Raises:
        SpecError: neither; the message lists the known runs.
    """
    path = find_any_run(text)
    if not is_study_run(path):
        status = say_command("status", Path(text))
        raise SpecError(f"{text}: a teacher was trained there, it is no study's run; see: {status}")
    return path


def find_any_run(text: str) -> Path:
    """As ``find_run``, also of a teacher."""
    for path in (Path(text), RUNS / text):
        if is_study_run(path) or is_teach_run(path):
            return path.absolute()
    known = [path.name for path in known_runs()]
    hint = did_you_mean(Path(text).name, known)
    raise SpecError(f"{text}: not a run directory, nor the name of a run ({', '.join(known) or 'there is none'}){hint}")


def is_study_run(path: Path) -> bool:
    """Whether a study was launched there."""
    return (path / _SPEC).is_file()


def known_runs() -> list[Path]:
    """The run directories under runs/, of studies and of teachers, the newest first."""
    found = [path for path in RUNS.glob("*") if is_study_run(path) or is_teach_run(path)]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
