"""The ledger of a run: one Optuna study, one append a finished trial; dashboard, resume and report read it."""

from __future__ import annotations

import errno
import json
import logging
import secrets
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from kdsearch.candidates.space import Choice, Real
from kdsearch.errors import StoreError
from kdsearch.records import SCORE, Outcome, RunPaths
from kdsearch.rundir.journal import check_journal
from kdsearch.rundir.ledger_trials import find_distribution, is_whole, make_trial, read_trial
from kdsearch.rundir.shapes import read_shaped
from kdsearch.spec.metric import ACCURACY, Metric

if TYPE_CHECKING:
    import optuna

JOURNAL = "journal"
_FILE = "study.journal"
_METRIC = "metric"
_DAMAGE = (ValueError, TypeError, AttributeError, LookupError, OSError, ImportError)
_log = logging.getLogger(__name__)


@with_config(ConfigDict(extra="allow"))
class _Asked(TypedDict):
    """What the ledger needs to know of a study."""

    storage: str
    name: str


_ASKED = TypeAdapter(_Asked)


class Ledger:
    """The outcomes of a run, in the order they were appended; written by the driver only, under its ``RunLock``.

    ``storage``: journal (a file in the run directory) or an Optuna storage URL. ``parameters``: what a candidate is
    made of. ``objectives``: what Optuna shows as the values of a trial, first that by which candidates are ranked
    (``score`` or the ``metric``'s name, as by default), then costs; a ledger keeps those that it was begun with. What a
    crash left of a last line is cut off.

    Raises:
        StoreError: the storage is damaged or cannot be reached.
    """

    def __init__(
        self,
        paths: RunPaths,
        storage: str,
        name: str,
        parameters: Sequence[Choice | Real],
        *,
        objectives: tuple[str, ...] = (),
        metric: Metric = ACCURACY,
    ) -> None:
        self._journal = paths.root / _FILE if storage == JOURNAL else None
        self._distributions = {parameter.name: find_distribution(parameter) for parameter in parameters}
        if self._journal is not None:
            with _damage_told(paths, storage, checked=False):
                _mend(self._journal, name)
        self._study = _open_study(paths, storage, name, metric, objectives or (metric.name,))
        self._objectives = tuple(self._study.metric_names or (metric.name,))
        with _damage_told(paths, storage):
            self._numbers = {trial.user_attrs["number"] for trial in self._study.get_trials(deepcopy=False)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Nothing is left to write: every append is on the disk before it returns."""

    def append(self, outcome: Outcome, pictures: Sequence[Path] = ()) -> None:
        """Writes one outcome to the disk; Optuna's dashboard shows the pictures with it.

        Raises:
            StoreError: it cannot be written, such as on a full disk; all earlier outcomes are still there.
        """
        if outcome.number in self._numbers:
            raise ValueError(f"trial {outcome.number} is in the ledger already")
        with self._whole_lines():
            self._study.add_trial(make_trial(outcome, self._objectives, self._distributions, pictures))
        self._numbers.add(outcome.number)

    def outcomes(self) -> list[Outcome]:
        """All outcomes, in the order they were appended."""
        return _read(self._study)

    @contextmanager
    def _whole_lines(self) -> Iterator[None]:
        """Takes back what a failed write left of a line, so that the journal stays readable."""
        from optuna.exceptions import StorageInternalError
        from sqlalchemy.exc import SQLAlchemyError

        size = self._journal.stat().st_size if self._journal else 0
        try:
            yield
        except OSError as error:
            if self._journal is None:
                raise StoreError(f"the ledger cannot be written: {error}") from None
            with self._journal.open("r+b") as file:
                file.truncate(size)
            full = error.errno == errno.ENOSPC
            reason = "no space left on device; free some and resume" if full else error.strerror
            raise StoreError(f"{self._journal}: {reason}") from None
        except (StorageInternalError, SQLAlchemyError) as error:
            raise StoreError(f"the ledger cannot be written: {_first_line(error)}") from None


def read_outcomes(paths: RunPaths) -> list[Outcome]:
    """The outcomes of a run, in the order they were appended; changes nothing, so a run under way may be read.

    Raises:
        StoreError: the run directory or its ledger is missing or damaged.
    """
    with _study_of(paths) as study:
        return [] if study is None else _read(study)


def _read(study: optuna.Study) -> list[Outcome]:
    metric = Metric.of(study.user_attrs.get(_METRIC))
    return [read_trial(trial, metric) for trial in study.get_trials(deepcopy=False)]


def note(paths: RunPaths, markdown: str) -> None:
    """Shows a text on the dashboard's page of a run that has ended, unless a text is there; needs optuna-dashboard.

    Raises:
        StoreError: the run directory or its ledger is missing or damaged.
    """
    from optuna_dashboard import get_note, save_note

    with _study_of(paths) as study:
        if study is not None and not get_note(study):
            save_note(study, markdown)


@contextmanager
def _study_of(paths: RunPaths) -> Iterator[optuna.Study | None]:
    """The Optuna study of a run; None of one that has not begun to search."""
    import optuna

    asked = read_shaped(paths.root / "spec.json", _ASKED, "launch the spec.yaml beside it anew")
    storage, name = asked["storage"], asked["name"]
    study: optuna.Study | None = None
    if storage == JOURNAL and not (paths.root / _FILE).exists():
        yield study
        return
    with _damage_told(paths, storage):
        try:
            study = optuna.load_study(study_name=_study_name(paths, storage, name), storage=_storage(paths, storage))
        except KeyError:
            if storage == JOURNAL and (paths.root / _FILE).stat().st_size:
                raise StoreError(f"{paths.root / _FILE}: holds no study {name}; it is damaged: resume") from None
            study = None
        yield study


def journal_path(paths: RunPaths) -> Path:
    """The journal file of a run whose storage is journal."""
    return paths.root / _FILE


def _open_study(paths: RunPaths, storage: str, name: str, metric: Metric, objectives: tuple[str, ...]) -> optuna.Study:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study_name = _study_name(paths, storage, name)
    with _damage_told(paths, storage):
        opened = _storage(paths, storage)
        try:
            study = optuna.load_study(study_name=study_name, storage=opened)
        except KeyError:
            best = "maximize" if objectives[0] == SCORE or metric.better == "higher" else "minimize"
            directions: list[Any] = [best, *["minimize"] * (len(objectives) - 1)]
            study = optuna.create_study(study_name=study_name, storage=opened, directions=directions)
            with warnings.catch_warnings():
                # Optuna calls set_metric_names experimental
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                study.set_metric_names(list(objectives))
        if _METRIC not in study.user_attrs:
            study.set_user_attr(_METRIC, metric.describe())
        return study


def check_storage(storage: str) -> None:
    """Refuses an address that cannot be a storage here; a file that SQLite would make is left to the run.

    Raises:
        StoreError: its dialect or driver is unknown or not installed, or its server does not answer.
    """
    if storage == JOURNAL:
        return
    import sqlalchemy

    try:
        engine = sqlalchemy.create_engine(storage)
        if engine.dialect.name != "sqlite":
            engine.connect().close()
    except (ImportError, ValueError, OSError, sqlalchemy.exc.SQLAlchemyError) as error:
        raise StoreError(f"storage: {storage.rsplit('@', 1)[-1]} cannot be opened: {_first_line(error)}") from None


def _storage(paths: RunPaths, storage: str) -> optuna.storages.BaseStorage:
    from optuna.storages import JournalStorage, get_storage
    from optuna.storages.journal import JournalFileBackend

    if storage == JOURNAL:
        return JournalStorage(JournalFileBackend(str(paths.root / _FILE)))
    return get_storage(storage)


def _study_name(paths: RunPaths, storage: str, name: str) -> str:
    """The run's name in its own journal; in a storage shared with other runs, one that no other run has."""
    if storage == JOURNAL:
        return name
    path = paths.root / "study_name.txt"
    if not path.exists():
        path.write_text(f"{name}-{secrets.token_hex(4)}", encoding="utf-8")
    return path.read_text(encoding="utf-8")


@contextmanager
def _damage_told(paths: RunPaths, storage: str, *, checked: bool = True) -> Iterator[None]:
    from optuna.exceptions import OptunaError
    from sqlalchemy.exc import SQLAlchemyError

    where = f"{paths.root / _FILE}" if storage == JOURNAL else f"storage {storage.rsplit('@', 1)[-1]}"
    if checked and storage == JOURNAL and (paths.root / _FILE).exists():
        check_journal(paths.root / _FILE)
    try:
        yield
    # a damaged line makes Optuna call its classes with what they do not know
    except (
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
        OSError,
        ImportError,
        OptunaError,
        SQLAlchemyError,
    ) as error:
        raise StoreError(f"{where}: the ledger cannot be read: {_first_line(error)}") from None


def _mend(journal: Path, name: str) -> None:
    """Cuts the journal off before its first damaged line, and frees the lock of a driver that was killed.

    A crash leaves half of a last line, a disk loses a byte: trials from there on are evaluated again.
    """
    journal.with_name(journal.name + ".lock").unlink(missing_ok=True)
    if not journal.exists():
        return
    content = journal.read_bytes()
    lines = content.splitlines(keepends=True)
    good = list(takewhile(lambda line: line.endswith(b"\n") and is_whole(line), lines))
    if good and _opens(json.loads(good[0])) != name:
        good = []
    if len(good) == len(lines):
        return
    whole = sum(map(len, good))
    if len(lines) - len(good) == 1 and not _is_json(lines[-1]):
        _log.warning("%s: cut off %d bytes of a line that was not written to its end", journal, len(content) - whole)
    else:
        lost = len(lines) - len(good)
        _log.warning("%s: line %d is damaged; the %d from there on are evaluated again", journal, len(good) + 1, lost)
    with journal.open("r+b") as file:
        file.truncate(whole)


def _opens(line: Any) -> Any:
    """The name of the study that a journal's first line makes."""
    return line.get("study_name") if line.get("op_code") == 0 else None


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return line.endswith(b"\n")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
