from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time

import pytest

from kdsearch.data.built import open_built
from kdsearch.errors import StoreError

BUILDER = """
import sys, time
from pathlib import Path
from kdsearch.data.built import open_built
from kdsearch.errors import StoreError
place, seconds = Path(sys.argv[1]), float(sys.argv[2])

def read(place):
    if not (place / "whole").exists():
        raise StoreError("damaged")

def build(folder):
    (folder / "half").touch()
    print("building", flush=True)
    time.sleep(seconds)
    (folder / "whole").touch()

open_built(place, read=read, build=build, on_wait=lambda: None)
"""


def read(place):
    if not (place / "whole").exists():
        raise StoreError(f"{place}: damaged (no whole)")
    return (place / "whole").read_text()


class Building:
    """Writes its text, after what is to happen before."""

    def __init__(self, text="built", before=lambda: None):
        self.times, self.text, self.before = 0, text, before

    def __call__(self, folder):
        self.times += 1
        (folder / "half").touch()
        self.before()
        (folder / "whole").write_text(self.text)


def opened(place, build, on_wait=lambda: None):
    return open_built(place, read=read, build=build, on_wait=on_wait)


@contextlib.contextmanager
def other_builder(place, seconds):
    """Another process, which has begun to build."""
    program = [sys.executable, "-c", BUILDER, str(place), str(seconds)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as builder:
        assert builder.stdout is not None
        assert builder.stdout.readline() == "building\n"
        yield builder
        builder.kill()


def test_a_folder_is_built_once_and_then_read(tmp_path):
    build = Building()
    assert [opened(tmp_path / "cache" / "x", build) for _ in range(3)] == ["built"] * 3
    assert build.times == 1


def test_a_damaged_folder_is_built_anew_with_a_warning(tmp_path, caplog):
    opened(tmp_path / "x", Building())
    (tmp_path / "x" / "whole").unlink()
    assert opened(tmp_path / "x", Building("anew")) == "anew"
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / 'x'}: damaged (no whole); it is built anew"
    ]


@pytest.mark.parametrize("error", [KeyboardInterrupt, StoreError, OSError])
def test_a_build_that_fails_leaves_nothing_and_can_be_repeated(tmp_path, error):
    def fail():
        raise error("no")

    with pytest.raises(StoreError if error is OSError else error):
        opened(tmp_path / "x", Building(before=fail))
    assert [path.name for path in tmp_path.iterdir()] == [".x.lock"]
    assert opened(tmp_path / "x", Building()) == "built"


def test_what_a_killed_builder_left_goes_with_the_next_build_of_any_folder(tmp_path):
    with other_builder(tmp_path / "x", 60):
        pass
    assert (tmp_path / ".x.building" / "half").exists()
    assert opened(tmp_path / "y", Building()) == "built"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".x.lock", ".y.lock", "y"]
    assert opened(tmp_path / "x", Building()) == "built"


def test_who_comes_second_waits_and_reads_and_disturbs_nobody(tmp_path):
    waits: list[float] = []
    build = Building()
    with other_builder(tmp_path / "x", 1.0) as builder:
        assert opened(tmp_path / "y", build) == "built"  # another folder waits for nobody and leaves the half-built one
        assert (tmp_path / ".x.building").exists()
        assert opened(tmp_path / "x", build, lambda: waits.append(time.monotonic())) == ""
        assert builder.wait() == 0
    assert build.times == 1
    assert len(waits) > 2


def test_threads_wait_for_each_other_too(tmp_path):
    build = Building(before=lambda: time.sleep(0.3))
    threads = [threading.Thread(target=opened, args=(tmp_path / "x", build)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert build.times == 1


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"file/cache: cannot be written: .*; set KDSEARCH_CACHE to another folder"):
        opened(tmp_path / "file" / "cache" / "x", Building())
