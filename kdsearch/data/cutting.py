"""How an image file becomes the pixels that a net reads: the same in training and in predictions; no torch here."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

Pixels = NDArray[np.uint8]
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".webp", ".tif", ".tiff"}
"""By which a file in a folder is taken for an image, in capitals or not."""

BROKEN = (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError)
"""What Pillow raises of a file that is no whole image."""

_EIGHT_BIT = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"}


def cut_image(image: Image.Image, channels: int, size: tuple[int, int] | None) -> Pixels:
    """Upright (EXIF), uint8 CHW of so many channels and of ``size``, height and width; None leaves that as it is.

    It is scaled (bilinear, antialiased) until it just covers the size, and its centre is cut out.

    Raises:
        ValueError: its pixels have more than 8 bits. What Pillow raises of a broken file is in ``BROKEN``.
    """
    mode = "L" if channels == 1 else "RGB"
    if image.mode not in _EIGHT_BIT:
        raise ValueError(f"its pixels are of mode {image.mode}, not of 8 bits")
    if size is not None:
        longest = 2 * max(size)
        image.draft(mode, (longest, longest))  # JPEG alone: decodes a photograph at 1/2, 1/4 or 1/8
    upright = ImageOps.exif_transpose(image).convert(mode)
    if size is not None and upright.size != size[::-1]:
        upright = _cover(upright, *size)
    pixels = np.asarray(upright, dtype=np.uint8)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _cover(image: Image.Image, height: int, width: int) -> Image.Image:
    if image.width * height > image.height * width:
        size = (round(image.width * height / image.height), height)
    else:
        size = (width, round(image.height * width / image.width))
    scaled = image.resize(size, Image.Resampling.BILINEAR)
    left, top = (scaled.width - width) // 2, (scaled.height - height) // 2
    return scaled.crop((left, top, left + width, top + height))
