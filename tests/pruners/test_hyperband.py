from __future__ import annotations

import numpy as np

from tests.curves import stopped_after


def test_with_one_bracket_it_is_successive_halving(tmp_path):
    curves = np.random.default_rng(0).random((12, 6))
    one = stopped_after(tmp_path / "one", "name: hyperband, reduction_factor: 2, max_epochs: 1", *curves.tolist())
    halving = stopped_after(tmp_path / "two", "name: successive_halving, reduction_factor: 2", *curves.tolist())
    assert one == halving
    assert set(one) > {None, 1}


def test_brackets_start_later_than_one_another_and_only_their_rungs_stop(tmp_path):
    """Six epochs by a factor of two make three brackets, whose rungs are powers of two."""
    curves = np.sort(np.random.default_rng(0).random((24, 6)))[:, ::-1]
    found = stopped_after(tmp_path, "name: hyperband, reduction_factor: 2", *curves.tolist())
    assert set(found) == {None, 1, 2, 4}
