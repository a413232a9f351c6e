"""Image folders: one folder a class."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image

from kdsearch.data.cutting import SUFFIXES
from kdsearch.data.decode import Decoder
from kdsearch.data.images import Pool, Source
from kdsearch.errors import DataError
from kdsearch.spec.task_sections import TaskOptions

_log = logging.getLogger(__name__)
_NAMED = 5  # how many folders a note names
_PARTS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
"""What the folder of a part may be called, in capitals or not."""


def read(options: TaskOptions, cache_dir: Path) -> Source:
    """The folder's parts: train/CLASS/FILES, and val/ and test/ likewise, or CLASS/FILES alone.

    A part may bear its other usual names: training/, valid/ or validation/, testing/; what else lies beside train/ is
    not read, and is named. With train/ and val/ only, val/ becomes the test part, as it is where published figures come
    from, and the validation part is held out of train/; with all three each is what its name says; with CLASS/FILES
    alone, or train/ alone, both are held out. Images are colour unless ``channels: 1``, and are decoded once.

    Raises:
        DataError: a folder is missing, a class has no image, or val/ or test/ has a class that train/ lacks.
    """
    root = options.folder
    assert root is not None
    if not root.is_dir():
        raise DataError(f"{root}: folder not found; correct task.folder")
    parts, notes = _find_parts(root)
    if parts and "train" not in parts:
        raise DataError(f"{root}: has {', '.join(parts)} but no train; needs train/CLASS/IMAGES")
    train_root = parts.get("train", root)
    classes = _class_names(train_root)
    pools = {part: _pool(folder, classes, options, cache_dir) for part, folder in parts.items() if part != "train"}
    train = _pool(train_root, classes, options, cache_dir)
    validation = pools.get("val") if "test" in pools else None
    return Source(root.name, classes, train, validation, pools.get("test") or pools.get("val"), notes)


def _find_parts(root: Path) -> tuple[dict[str, Path], tuple[str, ...]]:
    """The folders of the parts, and a line about those beside train/ that nothing reads."""
    folders = _folders(root)
    exact = {part: root / part for part in _PARTS if part in folders}
    if "train" not in exact and not _is_divided(root, folders):
        return exact, ()  # folders of classes, one of which may be called valid
    parts: dict[str, Path] = {}
    for part, names in _PARTS.items():
        found = [name for name in folders if name.lower() in names]
        if len(found) > 1:
            raise DataError(f"{root}: has {' and '.join(found)}, which mean one part ({part}); keep one of them")
        if found:
            parts[part] = root / found[0]
    unread = [name for name in folders if root / name not in parts.values()]
    if not unread:
        return parts, ()
    said = ", ".join(f"{name}/" for name in unread[:_NAMED]) + (", .." if len(unread) > _NAMED else "")
    note = f"{root}: {said} beside {parts['train'].name}/ is not read; only train/, val/ and test/ are"
    _log.warning("%s", note)
    return parts, (note,)


def _is_divided(root: Path, folders: Sequence[str]) -> bool:
    """Whether the folders are parts by other names: one like train/ with folders of classes, and another part."""
    known = {part: [name for name in folders if name.lower() in names] for part, names in _PARTS.items()}
    others = known["val"] + known["test"]
    return bool(others) and any(len(_folders(root / name)) > 1 for name in known["train"])


def _folders(root: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith("."))


def _class_names(root: Path) -> tuple[str, ...]:
    names = _folders(root)
    if len(names) < 2:
        found = ", ".join(names) or "none"
        raise DataError(f"{root}: needs one folder a class, two or more (found: {found})")
    return tuple(names)


def _pool(root: Path, classes: Sequence[str], options: TaskOptions, cache_dir: Path) -> Pool:
    unknown = sorted(set(_class_names(root)) - set(classes))
    if unknown:
        raise DataError(f"{root / unknown[0]}: no such class in the training part; add its images there or remove it")
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = _images(root / name)
        files += found
        labels += [label] * len(found)
    decoder = Decoder(
        open=lambda number: Image.open(files[number]),
        describe=lambda number: str(files[number]),
        identity=_identity(files),
        image_size=options.image_size,
        channels=options.channels or 3,
        cache_dir=cache_dir,
        skip_broken=options.skip_broken,
    )
    return Pool(torch.tensor(labels, dtype=torch.int64), decoder.take)


def _images(folder: Path) -> list[Path]:
    """The image files in the folder and below it, sorted."""
    found: list[Path] = []
    others = 0
    for place, _, names in os.walk(folder, followlinks=True):
        wanted = [name for name in names if Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")]
        others += sum(not name.startswith(".") for name in names) - len(wanted)
        found += [Path(place, name) for name in wanted]
    if others:
        _log.warning("%s: %d file(s) are no images by their suffix and are left out", folder, others)
    if not found:
        raise DataError(
            f"{folder}: no image of this class ({' '.join(sorted(SUFFIXES))}); add some or remove the class"
        )
    return sorted(found)


def _identity(files: Sequence[Path]) -> str:
    """A hash over names, sizes and times of the files: decoded images are used again only while it stays the same."""
    found = hashlib.sha256()
    for file in files:
        stat = file.stat()
        found.update(f"{file}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return found.hexdigest()
