"""Decodes image files to uint8 once, in threads; sets too large for comfort go to a memory-mapped file.

N: images, C: channels, H and W: pixels.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from kdsearch.data.cutting import BROKEN, Pixels, cut_image
from kdsearch.data.images import Taken
from kdsearch.errors import DataError
from kdsearch.files import make_cache_folder, read_json, save_atomically, save_json

_log = logging.getLogger(__name__)
_IN_MEMORY_BYTES = 2**28  # beyond it, one file serves all worker processes and need not fit into memory
_CHUNK = 1024  # images decoded at a time

ADVICE = "; replace or remove it, or set task.skip_broken: true"
"""What ends the line of an image that cannot be decoded."""


class BrokenImagesError(DataError):
    """Images that cannot be used, a line for each in ``faults``."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class _MisfitError(DataError):
    """An image that is whole and does not fit the others, which nobody wants left out unasked."""


@dataclass(frozen=True, slots=True)
class Decoder:
    """How the images of a source are opened, named in messages, told from other sources' (``identity``) and cut.

    ``skip_broken``: images that cannot be decoded are left out instead of refused.
    """

    open: Callable[[int], Image.Image]
    describe: Callable[[int], str]
    identity: str
    image_size: int | None
    channels: int
    cache_dir: Path
    skip_broken: bool = False

    def take(self, rows: Tensor) -> Taken:
        """The images of these rows, uint8 NCHW, in memory or memory-mapped.

        Raises:
            BrokenImagesError: images cannot be decoded, or differ in size.
            StoreError: the cache cannot be written.
        """
        numbers = rows.tolist()
        shape = (len(numbers), *self._first_shape(numbers))
        if int(np.prod(shape, dtype=np.int64)) > _IN_MEMORY_BYTES:
            return self._mapped(numbers, shape)
        faults: dict[int, str] = {}
        chunks = list(self._chunks(numbers, shape[1:], faults))
        return _without(torch.from_numpy(np.concatenate(chunks)), faults, len(numbers))

    def _first_shape(self, numbers: list[int]) -> tuple[int, ...]:
        """The shape of the first image that can be decoded; all broken ones are named later, together."""
        for number in numbers:
            with contextlib.suppress(DataError):
                return self._pixels(number).shape
        return (0, 0, 0)

    def _mapped(self, numbers: list[int], shape: tuple[int, ...]) -> Taken:
        key = repr((self.identity, numbers, self.image_size, self.channels))
        path = self.cache_dir / "images" / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.npy"
        left_out = path.with_suffix(".json")
        if not path.exists() or (left_out.exists() and not self.skip_broken):
            self._check_space(path, int(np.prod(shape, dtype=np.int64)))
            _log.info("decoding %d images into %s", shape[0], path)
            save_atomically(path, lambda fresh: self._write(fresh, numbers, shape, left_out))
        with warnings.catch_warnings():
            # read-only on purpose; a private writable mapping beyond the memory's size is refused by Linux
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            images_NCHW = torch.from_numpy(np.load(path, mmap_mode="r"))
        faults = {int(place): str(line) for place, line in read_json(left_out)} if left_out.exists() else {}
        return _without(images_NCHW, faults, len(numbers))

    def _write(self, path: Path, numbers: list[int], shape: tuple[int, ...], left_out: Path) -> None:
        # plain writes: a full disk under a memory mapping would end the program with SIGBUS
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.uint8)), "fortran_order": False}
        faults: dict[int, str] = {}
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header | {"shape": shape})
            for chunk in self._chunks(numbers, shape[1:], faults):
                file.write(chunk.data)
            # numpy leaves room for the number of rows to change
            file.seek(0)
            np.lib.format.write_array_header_1_0(file, header | {"shape": (len(numbers) - len(faults), *shape[1:])})
        if faults:  # before the images get their name: who finds them finds this
            save_json(left_out, sorted(faults.items()))

    def _check_space(self, path: Path, needed: int) -> None:
        make_cache_folder(path.parent)
        free = shutil.disk_usage(path.parent).free
        if needed > free:
            raise DataError(
                f"{path.parent}: the decoded images take {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; "
                "lower task.image_size or task.train_images, or free some"
            )

    def _chunks(self, numbers: list[int], shape: tuple[int, ...], faults: dict[int, str]) -> Iterator[Pixels]:
        """The images in turn; those left out are added to ``faults``, by their places."""
        refused: list[str] = []
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            for start in range(0, len(numbers), _CHUNK):
                found = list(threads.map(lambda number: self._attempt(number, shape), numbers[start : start + _CHUNK]))
                for place, each in enumerate(found, start):
                    if isinstance(each, _MisfitError) or (isinstance(each, DataError) and not self.skip_broken):
                        refused.append(str(each))
                    elif isinstance(each, DataError):
                        faults[place] = str(each)
                whole = [pixels for pixels in found if not isinstance(pixels, DataError)]
                if not refused:
                    yield np.stack(whole) if whole else np.empty((0, *shape), np.uint8)
        if refused:
            raise BrokenImagesError(refused)

    def _attempt(self, number: int, shape: tuple[int, ...]) -> Pixels | DataError:
        """The image's pixels, or in one line what is wrong with it."""
        try:
            pixels = self._pixels(number)
        except DataError as error:
            return error
        if pixels.shape == shape:
            return pixels
        found, first = (f"{width}x{height}" for _, height, width in (pixels.shape, shape))
        return _MisfitError(f"{self.describe(number)}: is {found} pixels, the first image {first}; set task.image_size")

    def _pixels(self, number: int) -> Pixels:
        side = self.image_size
        try:
            with self.open(number) as image:
                return cut_image(image, self.channels, None if side is None else (side, side))
        except BROKEN as error:
            raise DataError(f"{self.describe(number)}: cannot be decoded ({error}){ADVICE}") from None


def _without(images_NCHW: Tensor, faults: Mapping[int, str], count: int) -> Taken:
    """The images of ``count`` rows, of which those at the places in ``faults`` are left out."""
    if not faults:
        return Taken(images_NCHW)
    kept = torch.tensor([place for place in range(count) if place not in faults], dtype=torch.int64)
    return Taken(images_NCHW, kept, tuple(faults[place] for place in sorted(faults)))
