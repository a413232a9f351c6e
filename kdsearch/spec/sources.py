"""Where studies come from: a path, or the name of one that is shipped; and the ``--set`` changes; no torch here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kdsearch.errors import SpecError, did_you_mean
from kdsearch.spec.errors import shown
from kdsearch.spec.yaml import MAX_CHARACTERS, Document, Key, read_yaml


def shipped_studies() -> Mapping[str, Path]:
    """File name to path of the studies that come with kdsearch."""
    return shipped_files("search_spaces", "search_spaces")


def shipped_files(inside: str, beside: str) -> Mapping[str, Path]:
    """File name to path of the YAML files that come with kdsearch.

    A wheel carries them in the folder ``inside`` the package; in a checkout they lie in the one ``beside`` it.
    """
    package = Path(__file__).resolve().parents[1]
    folder = next((at for at in (package / inside, package.parent / beside) if at.is_dir()), package)
    return {path.name: path for path in sorted(folder.glob("*.yaml"))}


def pick_shipped(name: str, shipped: Mapping[str, Path], said: str) -> Path:
    """The shipped file of this name, with or without ``.yaml``.

    Raises:
        SpecError: there is none; the message is ``said``, those that there are, and the nearest.
    """
    for known in (name, f"{name}.yaml"):
        if known in shipped:
            return shipped[known]
    raise SpecError(f"{said} ({', '.join(shipped)}){did_you_mean(Path(name).name, shipped)}")


def find_study(study: str | Path) -> Path:
    """The file that ``study`` means: an existing path, or else a shipped study, with or without ``.yaml``.

    Raises:
        SpecError: neither; the message lists the shipped ones.
    """
    path = Path(study)
    return path if _exists(path) else find_shipped(str(study))


def find_shipped(name: str) -> Path:
    """The file of the shipped study ``name``, with or without ``.yaml``.

    Raises:
        SpecError: there is none; the message lists those that are.
    """
    return pick_shipped(name, shipped_studies(), f"{shown(name)}: no such file, nor a shipped study")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # the system refuses names that are too long or hold a NUL character
        return False


def read_study(study: str | Path, sets: Sequence[str] = ()) -> Document:
    """The study's data as written, with the ``--set`` changes made.

    Raises:
        SpecError: the file cannot be read or is not YAML.
    """
    path = find_study(study)
    return read_document(path, str(study) if path == Path(study) else path.name, sets)


def read_document(path: Path, label: str, sets: Sequence[str] = ()) -> Document:
    """The file's data as written, with the ``--set`` changes made; ``label`` is the file's name in messages.

    Raises:
        SpecError: the file cannot be read or is not YAML.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(MAX_CHARACTERS + 1)
    except UnicodeDecodeError as error:
        raise SpecError(f"{label}: byte {error.start} is not UTF-8 text; save the file as UTF-8") from None
    except OSError as error:
        raise SpecError(f"{label}: cannot be read: {error.strerror}; name another file, or mend that") from None
    document = read_yaml(text, label)
    if document.data is None:
        document.data = {}
    for text in sets:
        change(document, text)
    return document


def change(document: Document, text: str) -> None:
    """Makes the change ``a.b=value`` in the document; numbers in the path count list items from 0."""
    label = f"--set {text}"
    path, sign, value = text.partition("=")
    names = path.strip().split(".")
    if not sign or not all(names):
        document.mistakes.append((label, "must be KEY=VALUE, such as --set strategy.epochs=8"))
        return
    try:
        given = read_yaml(value, label, numbered=False)
    except SpecError as error:
        document.mistakes.append((label, str(error).removeprefix(f"{label}: ")))
        return
    document.mistakes += given.mistakes
    key = _put(document, names, given.data)
    if isinstance(key, str):
        document.mistakes.append((label, key))
        return
    for old in [old for old in document.places if old[: len(key)] == key]:
        del document.places[old]
    document.places |= {(*key, *inner): label for inner in given.places}
    for length in range(1, len(key)):  # sections that did not exist and were made for this change
        document.places.setdefault(key[:length], label)


def _put(document: Document, names: Sequence[str], value: Any) -> Key | str:
    """The key that was set, or what is wrong with the path."""
    at: Any = document.data
    key: Key = ()
    for number, name in enumerate(names):
        last = number == len(names) - 1
        if isinstance(at, list):
            if not name.isdecimal() or int(name) >= len(at):
                return f"{'.'.join(names[:number])} is a list of {len(at)}; name an item by its number from 0"
            part: str | int = int(name)
        elif isinstance(at, dict):
            part = name
        else:
            return f"{'.'.join(names[:number])} is not a section, so it has no '{name}'"
        key = (*key, part)
        if last:
            at[part] = value
        else:
            at = _step(at, part)
    return key


def _step(at: Any, part: str | int) -> Any:
    """The value under ``part``; a section is made where there is none yet."""
    if isinstance(at, list):
        return at[int(part)]
    if at.get(part) is None:
        at[part] = {}
    return at[part]
