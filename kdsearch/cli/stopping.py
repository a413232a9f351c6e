"""Ctrl-C and SIGTERM: the first stops cleanly, so that files are closed and workers ended; the second ends at once."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

_SHOW_CURSOR = "\x1b[?25h"
_STOPS = (signal.SIGINT, signal.SIGTERM)


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived; the stack unwinds as for Ctrl-C."""


def hear_stops() -> None:
    """Has both signals handled here; one that the parent process had ignored stays so, as in a background job."""
    for number in _STOPS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def _stop(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    # the system's own handling ends the process even where Python does not come round to a handler; a run on the disk
    # is whole at any moment, and workers end with their driver
    for each in _STOPS:
        if signal.getsignal(each) is _stop:
            signal.signal(each, signal.SIG_DFL)
    if number == signal.SIGTERM:
        raise Terminated
    _say("stopping cleanly; Ctrl-C again ends at once")
    raise KeyboardInterrupt


def _say(text: str) -> None:
    """Writes a line; a progress display hides the cursor, and nobody shows it again after a sudden end."""
    shown = _SHOW_CURSOR if sys.stderr.isatty() else ""
    try:
        sys.stderr.write(f"{text}{shown}\n")
        sys.stderr.flush()
    except RuntimeError:  # the signal came in the middle of another write
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"\n{text}{shown}\n".encode())
