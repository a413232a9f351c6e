"""What a run was launched with, by hashes: whoever goes on with it, or exports from it, must have the same.

What would make another thing of the run is refused: another study, other data, another teacher or net, a kdsearch of
another minor version, whose scores may mean something else. Other versions of Python, torch and the like compute the
same to rounding, so they are a warning: the run ends well, but no more in the same bits.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import Any

from kdsearch.errors import StoreError
from kdsearch.files import read_sealed, save_sealed
from kdsearch.records import RunPaths

_FILE = "identity.json"
_VERSIONS = "versions"
_TOLD = {
    "data": ("other data", "put the files back as they were"),
    "teacher": ("another teacher", "put that one back"),
    "student_weights": ("another file of student.weights", "put that one back"),
    "pretrained": ("other published weights", "put the hub's cache back as it was"),
    "given": ("a net of other weights", "pass the net as it was then"),
}
_log = logging.getLogger(__name__)


def note_identity(paths: RunPaths, texts: Mapping[str, str], facts: Mapping[str, Any]) -> None:
    """Writes down what a run is launched with.

    ``texts``: content of its files by name. ``facts``: hashes by the names above, and ``versions``.
    """
    files = {name: _hash(text) for name, text in texts.items()}
    save_sealed(paths.root / _FILE, {"files": files, **facts})


def is_as_launched(paths: RunPaths, name: str, text: str) -> bool:
    """Whether a file of the run still holds the text that it was launched with; true where nobody noted it.

    Raises:
        StoreError: what was noted is damaged.
    """
    noted: Mapping[str, str] = _read(paths).get("files", {})
    return name not in noted or noted[name] == _hash(text)


def check_identity(paths: RunPaths, now: Mapping[str, Any]) -> None:
    """Compares what is there ``now`` (facts as for ``note_identity``, all or some) with what the run was launched with.

    Raises:
        StoreError: it differs in what would mix two studies in one run; the message says in what and what to do.
    """
    launched = _read(paths)
    if not launched:
        _log.warning("%s: an older kdsearch launched it and did not note with what; nothing is compared", paths.root)
        return
    for name, (what, remedy) in _TOLD.items():
        if name in now and (now[name] or "") != (launched.get(name) or ""):
            raise StoreError(
                f"{paths.root}: was launched with {what} ({_short(launched.get(name))}, now {_short(now[name])}); "
                f"{remedy}, or launch a new run"
            )
    _compare_versions(paths, launched.get(_VERSIONS, {}), now.get(_VERSIONS, {}))


def _compare_versions(paths: RunPaths, launched: Mapping[str, str], now: Mapping[str, str]) -> None:
    differing = [name for name in now if name in launched and now[name] != launched[name]]
    said = ", ".join(f"{name} {launched[name]} (now {now[name]})" for name in differing)
    if "kdsearch" in differing and _minor(now["kdsearch"]) != _minor(launched["kdsearch"]):
        raise StoreError(
            f"{paths.root}: was launched with kdsearch {launched['kdsearch']}, now it is {now['kdsearch']}, whose "
            f"scores may mean something else; install that one, or launch {paths.root / 'spec.yaml'} anew"
        )
    if differing:
        _log.warning("%s: was launched with %s; it goes on, but not to the same bits", paths.root, said)


def _read(paths: RunPaths) -> dict[str, Any]:
    path = paths.root / _FILE
    return read_sealed(path) if path.exists() else {}


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]


def _short(fact: Any) -> str:
    return f"SHA-256 {str(fact)[:12]}.." if fact else "none"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
