"""Banks so small that they are written in a blink."""

from __future__ import annotations

from pathlib import Path

import torch

from kdsearch.data.stored_bank import PARTS, StoredBank, StoredPart, save_bank
from tests.toys import bars, bars_teacher

CLASSES = ("|", "-", " ")
PROVENANCE = {"teacher": {"name": "bars", "sha256": "0" * 64}, "options": {"width": 16}, "seed": 3, "versions": {}}


def bars_part(count: int, seed: int) -> StoredPart:
    """Bars, and what the toy teacher says of them."""
    images_NCHW = bars(count, seed).images_NCHW
    logits_NC, _ = bars_teacher().answer(images_NCHW, {})
    return StoredPart(images_NCHW, logits_NC.to(torch.float16))


def write_bank(folder: Path, **changes: object) -> StoredBank:
    """A bank of 96, 60 and 60 bars; ``changes`` are those of ``save_bank``'s arguments."""
    parts = {part: bars_part(count, seed) for seed, (part, count) in enumerate(zip(PARTS, (96, 60, 60), strict=True))}
    facts = {"classes": CLASSES, "mean": (0.3,), "std": (0.3,), "provenance": PROVENANCE}
    return save_bank(folder, **({"parts": parts} | facts | changes))
