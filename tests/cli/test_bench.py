from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from kdsearch.cli.bench import read_options
from kdsearch.errors import SpecError


def measure(*, repeats: int = 3, nets: Sequence[str] = (), on_row: Callable[[Any], None] | None = None) -> None:
    """What a suite looks like."""


def test_options_of_a_suite_are_read_by_its_types():
    assert read_options(measure, ["repeats=5", "nets=[a, b]"]) == {"repeats": 5, "nets": ["a", "b"]}


def test_a_wrong_option_of_a_suite_is_one_line():
    with pytest.raises(SpecError, match="--set repeat=5: unknown option 'repeat'; did you mean 'repeats'"):
        read_options(measure, ["repeat=5"])
    with pytest.raises(SpecError, match="--set repeats=x: input should be a valid integer"):
        read_options(measure, ["repeats=x"])
    with pytest.raises(SpecError, match="unknown option 'on_row'; known: repeats, nets"):
        read_options(measure, ["on_row=1"])
