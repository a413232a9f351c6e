"""Photographs as cameras save them: lying or mirrored, with a note in their EXIF of how to turn them upright."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

LYING = {
    1: (),
    2: (Image.Transpose.FLIP_LEFT_RIGHT,),
    3: (Image.Transpose.ROTATE_180,),
    4: (Image.Transpose.FLIP_TOP_BOTTOM,),
    5: (Image.Transpose.TRANSPOSE,),
    6: (Image.Transpose.ROTATE_90,),
    7: (Image.Transpose.TRANSVERSE,),
    8: (Image.Transpose.ROTATE_270,),
}
"""For each orientation of EXIF 2.3, table 5, what the sensor's image is of the upright one.

6 says that row 0 of what is stored is the right side of the scene: it was turned left, by 90 degrees against the clock.
"""


def green_corner(side: int = 32) -> Image.Image:
    """Black, its upper right quarter green."""
    image = Image.new("RGB", (side, side))
    image.paste((0, 255, 0), (side // 2, 0, side, side // 2))
    return image


def save_as_camera(upright: Image.Image, path: Path, orientation: int) -> None:
    """Writes what a camera held that way would: its sensor's image, and the orientation beside it."""
    image = upright
    for turn in LYING[orientation]:
        image = image.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, exif=exif, quality=95)
