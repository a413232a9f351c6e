"""The trials of a run that has ended: all that its summary counts, or it is damaged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kdsearch.errors import StoreError
from kdsearch.quoting import say_command
from kdsearch.records import Outcome, RunPaths
from kdsearch.rundir.ledger import journal_path, read_outcomes


def read_ended(paths: RunPaths, summary: Mapping[str, Any]) -> list[Outcome]:
    """The outcomes of a run with a summary, as ``read_outcomes`` gives them.

    Raises:
        StoreError: as there, or the ledger has fewer trials than the summary counts (more, if the run goes on).
    """
    outcomes = read_outcomes(paths)
    counted = summary["trials"]["done"] + summary["trials"]["failed"]
    if len(outcomes) < counted:
        raise StoreError(
            f"{journal_path(paths)}: the ledger holds {len(outcomes)} of the {counted} trials that the summary counts; "
            f"to search those that are lost again: {say_command('resume', paths.root)}"
        )
    return outcomes
