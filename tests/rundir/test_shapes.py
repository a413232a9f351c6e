"""Valid JSON of another shape is damage."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter

from kdsearch.errors import StoreError
from kdsearch.rundir.shapes import RECORD, Seconds, check_shape, read_shaped

SECONDS = TypeAdapter(Seconds)


def read(folder, text: str, shape=SECONDS):
    path = folder / "seconds.json"
    path.write_text(text, encoding="utf-8")
    return read_shaped(path, shape, "launch it anew")


def test_what_has_the_shape_is_read_as_it_is(tmp_path):
    assert read(tmp_path, '{"search": 1.5, "finish": 2}') == {"search": 1.5, "finish": 2}
    assert read(tmp_path, '{"a": [1, null]}', RECORD) == {"a": [1, None]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read: "),
        ("{", "cannot be read: "),
        ("null", r"damaged \(input should be an object\)"),
        ("[]", r"damaged \(input should be an object\)"),
        ('{"search": "1"}', r"damaged \(search: input should be a valid number\)"),
        ('{"search": -1}', r"damaged \(search: input should be greater than or equal to 0\)"),
        ('{"search": NaN}', r"damaged \(search: "),
        ("[" * 99999, "cannot be read: "),
    ],
)
def test_anything_else_is_one_line_that_ends_with_the_remedy(tmp_path, text, said):
    with pytest.raises(StoreError, match=rf"seconds.json: {said}.*; launch it anew$"):
        read(tmp_path, text)


def test_a_file_that_is_missing_is_told(tmp_path):
    with pytest.raises(StoreError, match=r"gone.json: cannot be read: no such file or directory; delete it and resume"):
        read_shaped(tmp_path / "gone.json", SECONDS)


def test_lists_stand_for_tuples_as_they_do_in_json(tmp_path):
    check_shape({"a": [1, 2]}, TypeAdapter(dict[str, tuple[int, int]]), tmp_path)
    with pytest.raises(StoreError, match=r"damaged \(a.1: input should be a valid integer"):
        check_shape({"a": [1, "2"]}, TypeAdapter(dict[str, tuple[int, int]]), tmp_path)
