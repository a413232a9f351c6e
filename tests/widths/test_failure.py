"""Where a cropped net failed, in a line."""

from __future__ import annotations

import pytest

from kdsearch.widths.failure import Failure


@pytest.mark.parametrize(
    ("path", "where"),
    [(("", "body", "body.0"), "body.0"), (("", "body", ""), "body"), (("",), "the net"), ((), "the net")],
)
def test_the_innermost_module_with_a_name_is_where_it_failed(path, where):
    assert Failure(path, 3, "why").where == where
