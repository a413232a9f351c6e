"""The widths that a channel group may take."""

from __future__ import annotations

from math import lcm
from typing import Literal

PAPER_SCALES = tuple((10 + 3 * step) / 100 for step in range(31))
"""MetaPruning's scales 0.10, 0.13 .. 1.00."""

Divisor = Literal["auto", 1, 8, 16]
Scales = Literal["paper", "fine"] | tuple[float, ...]


def choices(
    full_width: int, divisor: Divisor = "auto", scales: Scales = "paper", multiplicity: int = 1
) -> tuple[int, ...]:
    """Kept channels in ascending order, the full width last: int(full width * scale), to the nearest multiple.

    With divisor 1 and the paper's scales these are the paper's widths. ``multiplicity``: channels that can only go
    together, such as those of one group of a grouped convolution; where its multiples of the divisor are too coarse,
    multiples of it alone are allowed.
    """
    return tuple(sorted({*scaled_widths(full_width, divisor, scales, multiplicity), full_width}))


def scaled_widths(
    full_width: int, divisor: Divisor = "auto", scales: Scales = "paper", multiplicity: int = 1
) -> tuple[int, ...]:
    """The width of each scale in turn: several scales may come to one width, so that it is as many times as likely."""
    if divisor == "auto":
        divisor = 16 if full_width >= 64 else 8
    step = lcm(divisor, multiplicity)
    if 2 * step > full_width:
        step = multiplicity
    if scales == "fine":
        return (*range(step, full_width, step), full_width)
    shares = PAPER_SCALES if scales == "paper" else scales
    nearest = (_nearest(int(round(full_width * share, 6)), step) for share in shares)
    return tuple(
        full_width if share == 1 else min(full_width, width) for share, width in zip(shares, nearest, strict=True)
    )


def _nearest(width: int, step: int) -> int:
    return max(step, (width + step // 2) // step * step)
