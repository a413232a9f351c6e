"""dashboard: optuna-dashboard on a run's trials, for this machine only."""

from __future__ import annotations

import argparse
from pathlib import Path

from kdsearch.cli.output import remark
from kdsearch.cli.runs import find_run
from kdsearch.errors import KdsearchError
from kdsearch.spec import loads

_HOST = "127.0.0.1"


def dashboard(given: argparse.Namespace) -> int:
    """Serves until Ctrl-C."""
    run_dir = find_run(given.run)
    storage = loads((run_dir / "spec.json").read_text(encoding="utf-8")).storage
    try:
        import optuna_dashboard
    except ImportError:
        raise KdsearchError("optuna-dashboard is not installed: pip install 'kdsearch[dashboard]'") from None
    remark(f"http://{_HOST}:{given.port}/dashboard shows {run_dir}; Ctrl-C ends it")
    try:
        optuna_dashboard.run_server(_open(storage, run_dir), host=_HOST, port=given.port)
    except OSError as error:
        raise KdsearchError(f"port {given.port}: {error.strerror}; choose another with --port") from None
    return 0


def _open(storage: str, run_dir: Path) -> object:
    from optuna.storages import JournalStorage, get_storage
    from optuna.storages.journal import JournalFileBackend

    if storage != "journal":
        return get_storage(storage)
    return JournalStorage(JournalFileBackend(str(run_dir / "study.journal")))
