"""dashboard: optuna-dashboard on a run's trials, for this machine only, and only to look at."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from kdsearch.cli.artifacts import PictureStore
from kdsearch.cli.finding import find_run
from kdsearch.cli.output import remark, say_json
from kdsearch.cli.read_only import guard
from kdsearch.errors import KdsearchError
from kdsearch.records import RunPaths
from kdsearch.rundir.store import read_spec

_HOST = "127.0.0.1"


def dashboard(given: argparse.Namespace) -> int:
    """Serves until Ctrl-C."""
    run_dir = find_run(given.run)
    storage = read_spec(RunPaths(run_dir)).storage
    try:
        import optuna_dashboard
    except ImportError:
        raise KdsearchError(
            "optuna-dashboard is not installed: in the checkout, pip install -e '.[dashboard]'"
        ) from None
    _note_results(RunPaths(run_dir))
    # optuna-dashboard's own server takes Ctrl-C for a normal end, and logs every request; its page can delete a study
    pictures = PictureStore(RunPaths(run_dir))
    app = guard(optuna_dashboard.wsgi(_open(storage, run_dir), artifact_store=pictures))
    try:
        server = make_server(_HOST, given.port, app, server_class=_Server, handler_class=_Handler)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no such port"
        raise KdsearchError(f"port {given.port}: {reason}; choose another with --port") from None
    url = f"http://{_HOST}:{given.port}/dashboard"
    with server:
        if given.json:
            say_json({"url": url})
            sys.stdout.flush()
        remark(f"{url} shows {run_dir}; Ctrl-C ends it")
        server.serve_forever()
    return 0


def _note_results(paths: RunPaths) -> None:
    """Puts the results of a run that has ended on its page; here, since a driver would import the dashboard for it."""
    from kdsearch.report.note import to_markdown
    from kdsearch.rundir.ended import read_ended
    from kdsearch.rundir.ledger import journal_path, note
    from kdsearch.rundir.store import read_summary

    if (paths.root / "summary.json").exists():
        summary = read_summary(paths)
        read_ended(paths, summary)
        ledger = journal_path(paths)
        if ledger.exists() and not os.access(ledger, os.W_OK):
            remark(f"{ledger} may not be written, so the page lacks the table of results, which kdsearch report shows")
            return
        note(paths, to_markdown(summary))


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: a page polls many times a minute."""


def _open(storage: str, run_dir: Path) -> object:
    from optuna.storages import JournalStorage, get_storage
    from optuna.storages.journal import JournalFileBackend

    if storage != "journal":
        return get_storage(storage)
    return JournalStorage(JournalFileBackend(str(run_dir / "study.journal")))
