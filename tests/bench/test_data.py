from __future__ import annotations

import pytest

from kdsearch.bench import data


@pytest.mark.medium
@pytest.mark.timeout(120)
def test_loading_is_a_small_part_of_a_step(monkeypatch):
    small = data.cases()[0]
    monkeypatch.setattr(data, "cases", lambda: (small,))
    (row,) = data.run(repeats=3)["cases"]
    assert row["net"] == "lenet5"
    assert 0 < row["load_ms"] < row["step_ms"] < row["fit_ms"] * 1.5
    # the target, 0.05, is for a machine with nothing else to do
    assert row["share"] < 0.15
