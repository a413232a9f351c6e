"""Writing files so that a crash or a full disk leaves the old file, never half of a new one."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kdsearch.errors import StoreError

HASHES = "hashes.json"
"""The file that says of a folder that it is complete."""


def save_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Calls ``write`` with a new name in the same folder, flushes that file to disk and renames it to ``path``.

    Raises:
        StoreError: the file cannot be written, such as on a full disk; what was at ``path`` is still there.
    """
    # the process number keeps two workers apart; open() gives the file the user's usual permissions
    fresh = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(fresh)
        flush(fresh)
        fresh.replace(path)
        flush(path.parent)
    except OSError as error:
        raise StoreError(f"{path}: {reason(error)}") from None
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink()


def make_cache_folder(folder: Path) -> None:
    """Makes a folder of the cache, unless it is there.

    Raises:
        StoreError: it cannot be made or written; the message says what moves the cache.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise StoreError(
            f"{folder}: cannot be written: {reason(error)}; set KDSEARCH_CACHE to another folder"
        ) from None


def save_bytes(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all.

    Raises:
        StoreError: it cannot be written; what was at ``path`` is still there.
    """

    def write(fresh: Path) -> None:
        fresh.write_bytes(content)

    save_atomically(path, write)


def save_json(path: Path, content: object) -> None:
    """Writes ``content`` as JSON, whole or not at all.

    Raises:
        StoreError: the file cannot be written; what was at ``path`` is still there.
    """

    def write(fresh: Path) -> None:
        fresh.write_text(json.dumps(content), encoding="utf-8")

    save_atomically(path, write)


def read_json(path: Path) -> Any:
    """What ``save_json`` wrote.

    Raises:
        StoreError: the file is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"{path}: cannot be read ({error}); delete it and resume") from None


def save_sealed(path: Path, content: Mapping[str, Any]) -> None:
    """As ``save_json``, with the SHA-256 of the content under ``seal``, so that a changed byte is noticed.

    Raises:
        StoreError: the file cannot be written; what was at ``path`` is still there.
    """
    save_json(path, seal(content))


def seal(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content with its own SHA-256 under ``seal``."""
    plain: dict[str, Any] = json.loads(json.dumps(content))  # as it will be read
    return {**plain, "seal": _seal_of(plain)}


def unseal(content: Any, path: Path) -> dict[str, Any]:
    """The content without its seal.

    Raises:
        StoreError: it is not what was sealed.
    """
    inner = {key: value for key, value in content.items() if key != "seal"} if isinstance(content, dict) else {}
    if not isinstance(content, dict) or content.get("seal") != _seal_of(inner):
        raise StoreError(f"{path}: damaged (it is not what was written); delete it and resume")
    return inner


def read_sealed(path: Path) -> dict[str, Any]:
    """What ``save_sealed`` wrote.

    Raises:
        StoreError: the file is missing or damaged.
    """
    return unseal(read_json(path), path)


def _seal_of(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def note_hashes(folder: Path) -> None:
    """Writes down the hashes of all files in a folder, which is complete.

    Raises:
        StoreError: they cannot be written.
    """
    found = {path.name: hash_file(path) for path in _files_in(folder)}
    save_sealed(folder / HASHES, {"files": found})


def has_hashes(folder: Path) -> bool:
    """Whether the folder was complete once."""
    return (folder / HASHES).exists()


def check_hashes(folder: Path) -> None:
    """Compares the files in a folder with the hashes that were noted.

    Raises:
        StoreError: one has been changed or is missing, or the hashes themselves are damaged.
    """
    for name, noted in read_sealed(folder / HASHES)["files"].items():
        if not (folder / name).is_file() or hash_file(folder / name) != noted:
            raise StoreError(f"{folder / name}: damaged (it is not what was written); delete the folder and resume")


def _files_in(folder: Path) -> list[Path]:
    # a name with a dot is what a writer that was killed left
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def hash_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def try_lock(path: Path, *, shared: bool = False) -> int | None:
    """A handle that holds the file's lock until it is closed or its process ends; None if another process holds it.

    ``shared``: only looks whether somebody does; the file must be there and is not written.

    Raises:
        StoreError: the file cannot be opened, or lies on a disk that has no locks.
    """
    handle = None
    try:
        handle = os.open(path, os.O_RDONLY if shared else os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        if handle is not None:
            os.close(handle)
        if isinstance(error, BlockingIOError):
            return None
        raise StoreError(f"{path}: cannot be locked: {reason(error)}") from None
    return handle


def flush(path: Path) -> None:
    """Waits until the file, or the folder's list of files, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def reason(error: OSError) -> str:
    """Why the system refused, as a message says it."""
    if error.errno == errno.ENOSPC:
        return "no space left on device; free some and resume"
    return (error.strerror or str(error)).lower()


def cache_dir() -> Path:
    """Where decoded data sets may be kept: ``KDSEARCH_CACHE``, else the user's cache folder."""
    home = (
        os.environ.get("KDSEARCH_CACHE") or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "kdsearch"
    )
    return Path(home)
