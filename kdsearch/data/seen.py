"""Which images a net was trained on, in two kilobytes, so that nobody tests it on them unawares.

A sketch holds the smallest of all images' fingerprints (bottom-k sampling, Cohen and Kaplan 2007). They are a fair
sample, and of an image with a fingerprint below the largest one kept the sketch tells whether it was seen.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator

from kdsearch.data.images import ImageSet
from kdsearch.spec.teacher_card import FINGERPRINT_BYTES

_KEPT = 256


def sketch_images(images: ImageSet) -> str:
    """The 256 smallest fingerprints (48 bits of BLAKE2 over the pixels) in base64; all, of fewer images."""
    smallest = sorted(set(_fingerprints(images)))[:_KEPT]
    return base64.b64encode(b"".join(smallest)).decode("ascii")


def seen_share(sketch: str, images: ImageSet) -> float:
    """Which share (0..1) of ``images`` is among those sketched: an estimate, exact where fewer than 256 were.

    0 where the sketch is empty or none of the images can be told from it.
    """
    content = base64.b64decode(sketch)
    starts = range(0, len(content), FINGERPRINT_BYTES)
    kept = {content[start : start + FINGERPRINT_BYTES] for start in starts}
    if not kept:
        return 0.0
    bound = max(kept) if len(kept) >= _KEPT else b"\xff" * FINGERPRINT_BYTES
    known = [mark in kept for mark in _fingerprints(images) if mark <= bound]
    return sum(known) / len(known) if known else 0.0


def _fingerprints(images: ImageSet) -> Iterator[bytes]:
    for image_CHW in images.images_NCHW:
        pixels = image_CHW.contiguous().numpy()
        yield hashlib.blake2b(pixels.data, digest_size=FINGERPRINT_BYTES).digest()
