from __future__ import annotations

import hashlib
import os
import shutil
import subprocess

import pytest

from kdsearch.errors import StoreError
from kdsearch.files import hash_file, make_cache_folder, save_atomically, try_lock


def test_the_file_appears_whole_and_alone(tmp_path):
    save_atomically(tmp_path / "new" / "a.txt", lambda path: path.write_text("one"))
    save_atomically(tmp_path / "new" / "a.txt", lambda path: path.write_text("two"))
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["a.txt"]
    assert (tmp_path / "new" / "a.txt").read_text() == "two"


def test_a_writer_that_fails_half_way_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write(fresh):
        fresh.write_text("half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        save_atomically(path, write)
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_leaves_the_old_file_and_says_so(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here (needs root)")
    try:
        path = disk / "a.bin"
        save_atomically(path, lambda fresh: fresh.write_bytes(b"x" * 1000))
        with pytest.raises(StoreError, match=r"a\.bin: no space left on device; free some and resume"):
            save_atomically(path, lambda fresh: fresh.write_bytes(b"y" * 100_000))
        assert path.read_bytes() == b"x" * 1000
        assert [file.name for file in disk.iterdir()] == ["a.bin"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"a\.txt: (file exists|not a directory)"):
        save_atomically(tmp_path / "file" / "a.txt", lambda path: path.write_text("x"))


def test_a_cache_that_cannot_be_made_says_what_moves_it(tmp_path):
    make_cache_folder(tmp_path / "cache" / "images")
    assert (tmp_path / "cache" / "images").is_dir()
    (tmp_path / "taken").write_text("mine")
    told = "images: cannot be written: not a directory; set KDSEARCH_CACHE to another folder"
    with pytest.raises(StoreError, match=told):
        make_cache_folder(tmp_path / "taken" / "images")


def test_a_files_hash_is_the_sha256_of_its_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"weights" * 100_000)
    assert hash_file(tmp_path / "a") == hashlib.sha256(b"weights" * 100_000).hexdigest()


def test_a_lock_is_held_by_one_until_it_is_closed_and_looking_changes_nothing(tmp_path):
    path = tmp_path / "lock"
    held = try_lock(path)
    assert held is not None
    assert try_lock(path) is None
    assert try_lock(path, shared=True) is None
    os.close(held)
    looking = [try_lock(path, shared=True) for _ in range(2)]
    assert None not in looking
    for handle in looking:
        os.close(handle)
    assert path.read_bytes() == b""


@pytest.mark.parametrize("shared", [False, True])
def test_a_lock_that_cannot_be_opened_is_one_line(tmp_path, shared):
    (tmp_path / "lock").mkdir()
    path = tmp_path / "none/lock" if shared else tmp_path / "lock"
    with pytest.raises(StoreError, match=r"lock: cannot be locked: (is a directory|no such file or directory)$"):
        try_lock(path, shared=shared)
