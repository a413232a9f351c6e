from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_SLOW_TO_STOP = """
import sys, time
import kdsearch.cli.listing as listing
from kdsearch.commands import main

def hang(given):
    try:
        print("begun", flush=True)
        time.sleep(100)
    finally:
        print("unwinding", flush=True)
        time.sleep({unwinding})

listing.list_all = hang
main(["list"])
"""


def begin(unwinding: float, *, ignored: bool = False) -> subprocess.Popen[str]:
    """A command that takes so many seconds to stop cleanly; ``ignored``: started as a background job of a script."""
    return subprocess.Popen(
        [sys.executable, "-c", _SLOW_TO_STOP.format(unwinding=unwinding)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        preexec_fn=(lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) if ignored else None,
    )


def test_the_first_ctrl_c_says_what_a_second_does_and_stops_cleanly():
    with begin(0) as command:
        assert command.stdout.readline() == "begun\n"
        command.send_signal(signal.SIGINT)
        out, said = command.communicate(timeout=20)
    assert (command.returncode, out) == (130, "unwinding\n")
    assert said == "stopping cleanly; Ctrl-C again ends at once\nstopped by Ctrl-C\n"


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_the_second_stop_ends_at_once_and_is_no_traceback(second):
    with begin(100) as command:
        assert command.stdout.readline() == "begun\n"
        command.send_signal(signal.SIGINT)
        assert command.stdout.readline() == "unwinding\n"
        began = time.monotonic()
        command.send_signal(second)
        _, said = command.communicate(timeout=20)
    assert time.monotonic() - began < 10
    assert command.returncode == -second  # which a shell calls 130 and 143
    assert said == "stopping cleanly; Ctrl-C again ends at once\n"


def test_a_background_job_whose_ctrl_c_is_ignored_goes_on():
    with begin(0, ignored=True) as command:
        assert command.stdout.readline() == "begun\n"
        command.send_signal(signal.SIGINT)
        time.sleep(0.2)
        assert command.poll() is None
        command.send_signal(signal.SIGTERM)
        _, said = command.communicate(timeout=20)
    assert (command.returncode, said) == (143, "stopped by SIGTERM\n")
