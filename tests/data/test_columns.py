from __future__ import annotations

import json

import numpy as np
import pytest

from kdsearch.data import columns
from kdsearch.data.columns import ColumnWriter, read_columns
from kdsearch.errors import StoreError

NUMBERS = np.arange(60, dtype=np.float16).reshape(10, 3, 2)


def write(folder, facts=None):
    with ColumnWriter(folder) as writer:
        for rows in np.split(NUMBERS, [4, 7]):
            writer.append("numbers", rows, 10)
            writer.append("signs", rows[:, 0, 0] > 20, 10)
        writer.finish(facts or {})


def test_columns_written_in_parts_are_read_whole_with_their_facts(tmp_path):
    write(tmp_path, {"of": [1, "two"]})
    facts, found = read_columns(tmp_path)
    assert facts == {"of": [1, "two"]}
    assert np.array_equal(found["numbers"], NUMBERS)
    assert np.array_equal(found["signs"], NUMBERS[:, 0, 0] > 20)
    assert np.array_equal(np.load(tmp_path / "numbers.npy"), NUMBERS)  # any NumPy reads them


def test_columns_are_mapped_and_cannot_be_changed(tmp_path):
    write(tmp_path)
    _, found = read_columns(tmp_path)
    assert isinstance(found["numbers"].base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        found["numbers"][0] = 0


def test_nothing_can_be_read_before_the_end(tmp_path):
    with ColumnWriter(tmp_path) as writer:
        writer.append("numbers", NUMBERS, 10)
    with pytest.raises(StoreError, match="damaged"):
        read_columns(tmp_path)


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def other_shape(path):
    np.save(path, NUMBERS.reshape(10, 6))


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, flip, other_shape, empty, lambda path: path.unlink()])
def test_a_changed_file_is_noticed(tmp_path, damage):
    write(tmp_path)
    damage(tmp_path / "numbers.npy")
    with pytest.raises(StoreError, match=rf"{tmp_path}: damaged \("):
        read_columns(tmp_path)


@pytest.mark.parametrize("header", ["", "{}", "[]", "{", '{"facts": {}, "columns": []}'])
def test_a_damaged_header_is_noticed(tmp_path, header):
    write(tmp_path)
    (tmp_path / "header.json").write_text(header)
    with pytest.raises(StoreError, match="damaged"):
        read_columns(tmp_path)


def test_a_column_that_the_header_says_otherwise_of_is_noticed(tmp_path):
    write(tmp_path)
    header = json.loads((tmp_path / "header.json").read_text())
    header["columns"]["signs"]["kind"] = "<f4"
    (tmp_path / "header.json").write_text(json.dumps(header))
    with pytest.raises(StoreError, match=r"damaged \(signs\.npy holds bool \(10,\)\)"):
        read_columns(tmp_path)


def test_of_a_large_file_blocks_from_the_first_to_the_last_are_compared(tmp_path, monkeypatch):
    monkeypatch.setattr(columns, "_BLOCK", 16)
    monkeypatch.setattr(columns, "_BLOCKS", 3)
    write(tmp_path)
    flip(tmp_path / "numbers.npy")
    with pytest.raises(StoreError, match=r"numbers\.npy has changed"):
        read_columns(tmp_path)
