"""Decodes image files to uint8 once, in threads; sets too large for comfort go to a memory-mapped file.

N: images, C: channels, H and W: pixels.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import struct
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from kdsearch.errors import DataError
from kdsearch.files import make_cache_folder, save_atomically

_log = logging.getLogger(__name__)
_IN_MEMORY_BYTES = 2**28  # beyond it, one file serves all worker processes and need not fit into memory
_CHUNK = 1024  # images decoded at a time
_NAMED_FAULTS = 10
_EIGHT_BIT = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"}
_BROKEN = (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError)

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Decoder:
    """How the images of a source are opened, named in messages, told from other sources' (``identity``) and cut."""

    open: Callable[[int], Image.Image]
    describe: Callable[[int], str]
    identity: str
    image_size: int | None
    channels: int
    cache_dir: Path

    def take(self, rows: Tensor) -> Tensor:
        """The images of these rows, uint8 NCHW, in memory or memory-mapped.

        Raises:
            DataError: images cannot be decoded or differ in size; the message names them.
            StoreError: the cache cannot be written.
        """
        numbers = rows.tolist()
        shape = (len(numbers), *self._first_shape(numbers))
        if int(np.prod(shape, dtype=np.int64)) <= _IN_MEMORY_BYTES:
            return torch.from_numpy(np.concatenate(list(self._chunks(numbers, shape[1:]))))
        return self._mapped(numbers, shape)

    def _first_shape(self, numbers: list[int]) -> tuple[int, ...]:
        """Of the first image that can be decoded; all broken ones are named later, together."""
        for number in numbers:
            with contextlib.suppress(DataError):
                return self._pixels(number).shape
        return (0, 0, 0)

    def _mapped(self, numbers: list[int], shape: tuple[int, ...]) -> Tensor:
        key = repr((self.identity, numbers, self.image_size, self.channels))
        path = self.cache_dir / "images" / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.npy"
        if not path.exists():
            self._check_space(path, int(np.prod(shape, dtype=np.int64)))
            _log.info("decoding %d images into %s", shape[0], path)
            save_atomically(path, lambda fresh: self._write(fresh, numbers, shape))
        with warnings.catch_warnings():
            # read-only on purpose; a private writable mapping beyond the memory's size is refused by Linux
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            return torch.from_numpy(np.load(path, mmap_mode="r"))

    def _write(self, path: Path, numbers: list[int], shape: tuple[int, ...]) -> None:
        # plain writes: a full disk under a memory mapping would end the program with SIGBUS
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.uint8)), "fortran_order": False, "shape": shape}
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for chunk in self._chunks(numbers, shape[1:]):
                file.write(chunk.data)

    def _check_space(self, path: Path, needed: int) -> None:
        make_cache_folder(path.parent)
        free = shutil.disk_usage(path.parent).free
        if needed > free:
            raise DataError(
                f"{path.parent}: the decoded images take {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; "
                "lower task.image_size or task.train_images, or free some"
            )

    def _chunks(self, numbers: list[int], shape: tuple[int, ...]) -> Iterator[Pixels]:
        faults: list[str] = []
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            for start in range(0, len(numbers), _CHUNK):
                found = list(threads.map(lambda number: self._attempt(number, shape), numbers[start : start + _CHUNK]))
                faults += [fault for fault in found if isinstance(fault, str)]
                if not faults:
                    yield np.stack([pixels for pixels in found if not isinstance(pixels, str)])
        if faults:
            more = [f"... and {len(faults) - _NAMED_FAULTS} more"] if len(faults) > _NAMED_FAULTS else []
            raise DataError("\n".join(faults[:_NAMED_FAULTS] + more))

    def _attempt(self, number: int, shape: tuple[int, ...]) -> Pixels | str:
        """The image's pixels, or in one line what is wrong with it."""
        try:
            pixels = self._pixels(number)
        except DataError as error:
            return str(error)
        if pixels.shape == shape:
            return pixels
        found, first = (f"{width}x{height}" for _, height, width in (pixels.shape, shape))
        return f"{self.describe(number)}: is {found} pixels, the first image {first}; set task.image_size"

    def _pixels(self, number: int) -> Pixels:
        try:
            with self.open(number) as image:
                return self._cut(image)
        except _BROKEN as error:
            raise DataError(f"{self.describe(number)}: cannot be decoded ({error}); replace or remove it") from None

    def _cut(self, image: Image.Image) -> Pixels:
        """Upright, in the task's channels and size: short side scaled (bilinear, antialiased), centre cut out."""
        mode = "L" if self.channels == 1 else "RGB"
        if image.mode not in _EIGHT_BIT:
            raise ValueError(f"its pixels are of mode {image.mode}, not of 8 bits")
        side = self.image_size
        if side is not None:
            image.draft(mode, (2 * side, 2 * side))  # JPEG alone: decodes a photograph at 1/2, 1/4 or 1/8
        upright = ImageOps.exif_transpose(image).convert(mode)
        if side is not None and upright.size != (side, side):
            short = min(upright.size)
            width, height = (round(length * side / short) for length in upright.size)
            left, top = (width - side) // 2, (height - side) // 2
            scaled = upright.resize((width, height), Image.Resampling.BILINEAR)
            upright = scaled.crop((left, top, left + side, top + side))
        pixels = np.asarray(upright, dtype=np.uint8)
        return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))
