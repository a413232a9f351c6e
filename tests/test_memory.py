"""Freed memory stays with the process."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_PROGRAM = """
import resource, sys
from kdsearch.memory import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()

def step():
    held = [bytearray(24 << 20) for _ in range(4)]

for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other libraries have no such choice")
def test_a_step_that_allocates_what_was_freed_before_meets_no_new_page():
    pages = {}
    for how in ("keep", "leave"):
        done = subprocess.run([sys.executable, "-c", _PROGRAM, how], capture_output=True, text=True, check=True)
        pages[how] = int(done.stdout)
    assert pages["keep"] < 100
    assert pages["leave"] > 10_000  # 96 MiB in pages of 4 KiB
