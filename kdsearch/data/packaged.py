"""Data sets that torchvision and timm know by name, read from a local folder; nothing is downloaded."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from kdsearch.data.arrays import array_pool
from kdsearch.data.decode import Decoder
from kdsearch.data.images import Pool, Source
from kdsearch.errors import DataError
from kdsearch.spec.task_sections import TaskOptions

_DOWNLOADING = ("hfds/", "hfids/", "tfds/", "wds/")  # readers of timm that fetch what is not there


def read(options: TaskOptions, cache_dir: Path) -> Source:
    """The named torchvision or timm data set under ``root``.

    Its training split is the training part; its test split, or where it has none its validation split, is the test
    part; the validation part is held out.

    Raises:
        DataError: no such data set, or its files are not under ``root``; one line says how to get them.
    """
    if options.torchvision is not None:
        return _torchvision(options.torchvision, options, cache_dir)
    assert options.timm is not None
    return _timm(options.timm, options, cache_dir)


def _torchvision(name: str, options: TaskOptions, cache_dir: Path) -> Source:
    from torchvision import datasets

    if name not in datasets.__all__:
        near = ", ".join(known for known in datasets.__all__ if known.lower() == name.lower()) or "CIFAR10, MNIST, ..."
        raise DataError(f"torchvision has no data set '{name}' (task.torchvision); meant: {near}")
    kind: Any = getattr(datasets, name)
    root = _root(options)
    accepted = inspect.signature(kind).parameters
    if "train" in accepted:
        choices: Sequence[dict[str, Any]] = ({"train": True}, {"train": False})
    elif "split" in accepted:
        choices = ({"split": "train"}, {"split": "val"} if name in ("ImageNet", "Places365") else {"split": "test"})
    else:
        raise DataError(f"torchvision's {name} has no training and test split; give its images as a folder")
    advice = f'get it with: python -c "from torchvision.datasets import {name}; {name}({str(root)!r}, download=True)"'
    found = [_built(partial(kind, root, **chosen), name, root, advice) for chosen in choices]
    pools = [
        _torchvision_pool(part, f"{name} {chosen}", options, cache_dir)
        for part, chosen in zip(found, choices, strict=True)
    ]
    return Source(name, _class_names(found[0], pools[0]), pools[0], test=pools[1])


def _torchvision_pool(data: Any, label: str, options: TaskOptions, cache_dir: Path) -> Pool:
    pixels = getattr(data, "data", None)
    targets = _targets(data)
    if pixels is not None and targets is not None and np.asarray(pixels[:1]).dtype == np.uint8:
        images = np.asarray(pixels)
        if label.startswith(("SVHN", "STL10")):  # these two keep channels first
            images = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
        return array_pool(images, np.asarray(targets, dtype=np.int64), options)
    return _item_pool(data, targets, label, options, cache_dir)


def _timm(name: str, options: TaskOptions, cache_dir: Path) -> Source:
    from timm.data import create_dataset

    if name.lower().startswith(_DOWNLOADING):
        raise DataError(
            f"task.timm: {name} would be downloaded or streamed, and kdsearch downloads nothing; "
            "write its images into folders and use task.folder"
        )
    root = _root(options)
    parts: dict[str, Any] = {}
    for split in ("train", "validation"):
        advice = "put it there; kdsearch downloads nothing"
        parts[split] = _built(partial(create_dataset, name, root=str(root), split=split), name, root, advice)
    if not all(hasattr(data, "__getitem__") for data in parts.values()):
        raise DataError(f"{root}: timm's {name} can only be read in order; give its images as a folder")
    pools = {
        split: _item_pool(data, _targets(data), f"timm {name} {split}", options, cache_dir)
        for split, data in parts.items()
    }
    return Source(name, _class_names(parts["train"], pools["train"]), pools["train"], test=pools["validation"])


def _built(build: Callable[[], Any], name: str, root: Path, advice: str) -> Any:
    try:
        return build()
    except (RuntimeError, OSError, ValueError, AssertionError, ImportError, TypeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(f"{root}: data set {name} cannot be read ({reason}); {advice}") from None


def _item_pool(data: Any, targets: Any, label: str, options: TaskOptions, cache_dir: Path) -> Pool:
    """A pool over a data set that gives (image, label) for an index."""
    if targets is None:
        targets = [data[number][1] for number in range(len(data))]

    decoder = Decoder(
        open=partial(_open_image, data),
        describe=lambda number: f"{label}, image {number}",
        identity=f"{label} {options.root} {len(data)}",
        image_size=options.image_size,
        channels=options.channels or 3,
        cache_dir=cache_dir,
        skip_broken=options.skip_broken,
    )
    return Pool(torch.as_tensor(np.asarray(targets, dtype=np.int64)), decoder.take)


def _open_image(data: Any, number: int) -> Image.Image:
    reader = getattr(data, "reader", None)
    if reader is None:
        image = data[number][0]
        if not isinstance(image, Image.Image):
            raise ValueError(f"the data set gives a {type(image).__name__}, not an image")
        return image
    # timm's data sets answer with the next image where one is broken; their readers give the file itself
    found = reader[number][0]
    if isinstance(found, bytes):
        return Image.open(io.BytesIO(found))
    if isinstance(found, Image.Image):
        return found
    with found:
        return Image.open(io.BytesIO(found.read()))


def _targets(data: Any) -> Any:
    """All labels without opening an image, where the data set keeps them in one of the usual places; else None."""
    for place in ("targets", "labels", "_labels"):
        found = getattr(data, place, None)
        if found is not None and len(found) == len(data):
            return found
    for place in ("samples", "_samples"):
        samples = getattr(getattr(data, "reader", data), place, None)
        if samples is not None and len(samples) == len(data):
            return [label for _, label in samples]
    return None


def _class_names(data: Any, pool: Pool) -> tuple[str, ...]:
    names = getattr(data, "classes", None)
    if names is None:
        index = getattr(getattr(data, "reader", None), "class_to_idx", None)
        names = sorted(index, key=index.__getitem__) if index else None
    if names is None:
        names = range(int(pool.labels_N.max()) + 1)
    # some data sets name a class by several words
    return tuple(
        name if isinstance(name, str) else " ".join(name) if isinstance(name, tuple) else str(name) for name in names
    )


def _root(options: TaskOptions) -> Path:
    if options.root is None:
        raise DataError("task.root is missing: name the folder where the data set lies")
    if not options.root.is_dir():
        raise DataError(f"{options.root}: folder not found; correct task.root")
    return options.root
