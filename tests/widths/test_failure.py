"""Where a cropped net failed, in a line."""

from __future__ import annotations

import pytest

from kdsearch.widths.failure import Failure, first_line


@pytest.mark.parametrize(
    ("path", "where"),
    [(("", "body", "body.0"), "body.0"), (("", "body", ""), "body"), (("",), "the net"), ((), "the net")],
)
def test_the_innermost_module_with_a_name_is_where_it_failed(path, where):
    assert Failure(path, 3, "why").where == where


def test_only_the_first_line_of_what_was_raised_is_told_and_not_all_of_a_long_one():
    assert first_line(ValueError("  sizes differ\nat ...")) == "sizes differ"
    assert first_line(KeyError()) == "KeyError"
    assert len(first_line(ValueError("x" * 500))) == 160
