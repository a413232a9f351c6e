"""Seeds for independent streams of random numbers."""

from __future__ import annotations

import numpy as np


def mix_seed(*parts: int) -> int:
    """One 63-bit seed out of several non-negative numbers, such as (study seed, epoch, step).

    Streams of neighbouring parts are independent (NumPy's SeedSequence), which plain sums would not be.
    """
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))
